// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// A readable record of what was done and what held. Every check prints one
// line; a failed one is counted and makes the process fail at the end.

import { isDeepStrictEqual } from 'node:util';

let held = 0;
let failed = 0;

/** heading begins a part of the record. */
export function heading(text) {
  console.log(`\n== ${text}`);
}

/** note tells what happened, without judging it. */
export function note(text) {
  console.log(`   ${text}`);
}

/** check records whether something held. */
export function check(what, ok, otherwise = '') {
  if (ok) {
    held++;
    console.log(`   ok    ${what}`);
    return;
  }
  failed++;
  console.log(`   FAIL  ${what}${otherwise === '' ? '' : `: ${otherwise}`}`);
}

/** same checks that a value is the one expected. */
export function same(what, got, want) {
  check(`${what} = ${JSON.stringify(want)}`, isDeepStrictEqual(got, want), `got ${JSON.stringify(got)}`);
}

/** end prints the sum and sets the exit status: 0 only if everything held. */
export function end() {
  console.log(`\n${held} checks held, ${failed} failed`);
  process.exitCode = failed === 0 && held > 0 ? 0 : 1;
}
