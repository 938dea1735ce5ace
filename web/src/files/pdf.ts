/** The text of PDF files, by pdf.js, which is loaded for the first one. */

import * as pdfjs from "pdfjs-dist";
import type { TextItem } from "pdfjs-dist/types/src/display/api";

const policy = window.trustedTypes?.createPolicy("pestle", {
  createScriptURL: (url: string) => {
    if (url !== workerUrl()) throw new TypeError("only the reader of PDF files is a worker here");
    return url;
  },
});

function workerUrl(): string {
  return document.querySelector<HTMLMetaElement>('meta[name="pdf-worker"]')!.content;
}

let worker: Worker | undefined;

/** The text of all pages. Raises what pdf.js raises. */
export async function text(bytes: ArrayBuffer): Promise<string> {
  const url = workerUrl();
  worker ??= new Worker((policy?.createScriptURL(url) ?? url) as string, { type: "module" });
  pdfjs.GlobalWorkerOptions.workerPort = worker;
  const loading = pdfjs.getDocument({ data: bytes, useSystemFonts: true, useWasm: false, enableXfa: false });
  try {
    const document = await loading.promise;
    const pages: string[] = [];
    for (let number = 1; number <= document.numPages; number++) {
      const page = await document.getPage(number);
      const { items } = await page.getTextContent();
      pages.push(lines(items.filter((item): item is TextItem => "str" in item)));
      page.cleanup();
    }
    return pages.join("\n\n");
  } finally {
    await loading.destroy();
  }
}

function lines(items: TextItem[]): string {
  return items.map((item) => item.str + (item.hasEOL ? "\n" : "")).join("").trim();
}
