/** Files that were dropped in, as text. */

import type { Attachment } from "../chats/tree";

const MOST_BYTES = 50_000_000;
const MOST_TEXT = 5_000_000; // characters: a million tokens and more

/** The text of a file. Raises Error where it has none that could be read. */
export async function read(file: File): Promise<Attachment> {
  if (file.size > MOST_BYTES) throw new Error(`${file.name} is larger than 50 MB`);
  const text = isPdf(file) ? await pdfText(file) : decoded(file.name, await file.arrayBuffer());
  if (text.trim() === "") throw new Error(`${file.name} has no text`);
  if (text.length > MOST_TEXT) throw new Error(`${file.name} has more than ${MOST_TEXT / 1e6} million characters`);
  return { name: file.name, text };
}

const isPdf = (file: File) => file.type === "application/pdf" || /\.pdf$/i.test(file.name);

async function pdfText(file: File): Promise<string> {
  const { text } = await import("./pdf");
  try {
    return await text(await file.arrayBuffer());
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`${file.name} cannot be read as PDF: ${why}`);
  }
}

function decoded(name: string, bytes: ArrayBuffer): string {
  const head = new Uint8Array(bytes, 0, Math.min(bytes.byteLength, 2));
  const utf16 = head[0] === 0xff && head[1] === 0xfe ? "utf-16le" : head[0] === 0xfe && head[1] === 0xff ? "utf-16be" : null;
  let text: string;
  try {
    text = new TextDecoder(utf16 ?? "utf-8", { fatal: true }).decode(bytes);
  } catch {
    text = new TextDecoder("windows-1252").decode(bytes); // older files of Windows
  }
  if (text.includes("\0")) throw new Error(`${name} is not a text file`);
  return text.replace(/\r\n?/g, "\n");
}
