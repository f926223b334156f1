// Draws one cartoon face for each job, a JSON line {style, options} of the file named on the command line.
// Prints a JSON line {parts, width, height, bytes} and then the picture's RGBA pixels. What to draw, and what
// the parts mean, is avatars.py's affair.

import { once } from "node:events";
import { readFileSync } from "node:fs";
import * as styles from "@dicebear/collection";
import { createAvatar } from "@dicebear/core";
import { Resvg } from "@resvg/resvg-js";

const WIDTH = 256; // four times what is kept: scaling down by a good filter gives finer edges than drawing at 64

async function send(chunk) {
  if (!process.stdout.write(chunk)) await once(process.stdout, "drain"); // no faster than Python reads
}

for (const line of readFileSync(process.argv[2], "utf8").split("\n").filter(Boolean)) {
  const { style, options } = JSON.parse(line);
  const avatar = createAvatar(styles[style], options);
  const drawn = new Resvg(avatar.toString(), { fitTo: { mode: "width", value: WIDTH }, background: "#ffffff" }).render();
  const { width, height, pixels } = drawn;
  await send(JSON.stringify({ parts: avatar.toJson().extra, width, height, bytes: pixels.length }) + "\n");
  await send(pixels);
}
