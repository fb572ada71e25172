// The time of the server: the clock of the browser may be wrong by hours, and times are compared with the server's.
import { signal } from "./ui.js";

const WRONG_MS = 5000;
let ahead = 0;

export const serverTime = () => Date.now() + ahead;
export const now = signal(serverTime());
setInterval(() => document.hidden || (now.value = serverTime()), 5000);

// Notes the date of an answer, which has whole seconds; a small difference is the way of the answer.
export function heard(date) {
  if (!date) return;
  const difference = Date.parse(date) - Date.now();
  if (Math.abs(difference - ahead) < WRONG_MS) return;
  ahead = Math.abs(difference) > WRONG_MS ? difference : 0;
  now.value = serverTime();
}
