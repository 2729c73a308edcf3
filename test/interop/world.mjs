// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// What both scripts are told by the test that runs them, and how they report.

import { readFileSync } from 'node:fs';
import { AlipaySdk } from 'alipay-sdk';

/** The site, the app and the keys' files, as the test wrote them down. */
export const world = JSON.parse(readFileSync(process.argv[2], 'utf8'));

const read = name => readFileSync(name, 'utf8');

/** sdk is the official SDK as one side of the channel has it. */
export function sdk(privateKey, publicKey) {
  const config = { appId: world.appId, privateKey: read(privateKey), keyType: 'PKCS8' };
  if (!world.certMode) return new AlipaySdk({ ...config, alipayPublicKey: read(publicKey) });
  return new AlipaySdk({
    ...config,
    appCertContent: read(world.appCert),
    alipayPublicCertContent: read(world.alipayCert),
    alipayRootCertContent: read(world.alipayRootCert),
  });
}

let held = 0;

/** check says that something holds, or ends the script with what does not. */
export function check(what, ok, detail = '') {
  if (!ok) {
    console.error(`NOT ${what} ${detail}`);
    process.exit(1);
  }
  held++;
}

/** end closes the report; a script that checked nothing does not get here. */
export function end() {
  console.log(`${held} checks held`);
}
