import { render } from "preact";
import { begin } from "./chats/state";
import { keepCounting } from "./context";
import { chooseAtStart } from "./server/choice";
import { keepLooking } from "./server/status";
import { App, pressed } from "./view/app";
import { telling } from "./view/notices";

keepLooking();
void begin();
keepCounting();
void telling(chooseAtStart());
addEventListener("keydown", pressed);
render(<App />, document.body);
performance.mark("interactive");
