// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// A shop's whole integration with the official SDK against a running sandbox,
// offline: pay, notice, return, query, refund, close, QR, certificates, AES.
//
//   node integration.mjs --gateway http://127.0.0.1:9402 \
//     --app-id 9021000100000001 --app-private-key app_private_key.pem \
//     [--cert-mode] [--content-key BASE64]
//
// It prints what it does and exits 1 if anything does not hold.

import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { AlipaySdk } from 'alipay-sdk';
import { bills, encrypted, misconfigured } from './parts-gateway.mjs';
import { closed, faulty, otherWays, pageByForm, purchase, refunds } from './parts-trade.mjs';
import { check, end, heading, note } from './transcript.mjs';
import { controller, startShop } from './world.mjs';

const { values: flags } = parseArgs({
  options: {
    gateway: { type: 'string' },
    'app-id': { type: 'string' },
    'app-private-key': { type: 'string' },
    'cert-mode': { type: 'boolean', default: false },
    'content-key': { type: 'string' },
  },
});
for (const name of ['gateway', 'app-id', 'app-private-key']) {
  if (!flags[name]) throw new Error(`--${name} is missing`);
}

async function fetchText(path) {
  const response = await fetch(flags.gateway + path);
  if (!response.ok) throw new Error(`GET ${path}: ${response.status}`);
  return response.text();
}

/** configure reads what a merchant gets from Alipay's console. */
async function configure() {
  const privateKey = readFileSync(flags['app-private-key'], 'utf8');
  const config = {
    appId: flags['app-id'], privateKey, gateway: `${flags.gateway}/gateway.do`,
    keyType: privateKey.includes('RSA PRIVATE') ? 'PKCS1' : 'PKCS8', encryptKey: flags['content-key'],
  };
  if (!flags['cert-mode']) {
    return { ...config, alipayPublicKey: await fetchText('/alipay_public_key.pem') };
  }
  return {
    ...config,
    appCertContent: await fetchText('/appCertPublicKey.crt'),
    alipayPublicCertContent: await fetchText('/alipayCertPublicKey_RSA2.crt'),
    alipayRootCertContent: await fetchText('/alipayRootCert.crt'),
  };
}

const config = await configure();
const shop = await startShop();
const world = {
  sdk: new AlipaySdk({ ...config }), config, shop, control: controller(flags.gateway),
  // Every run has order numbers of its own: the sandbox may be in use already.
  order: name => `${name}_${process.pid}_${Date.now()}`,
};

const { version } = JSON.parse(readFileSync(new URL('node_modules/alipay-sdk/package.json', import.meta.url), 'utf8'));
heading(`alipay-sdk ${version}, ${flags['cert-mode'] ? 'certificate' : 'public key'} mode, ${flags.gateway}`);
note('the gateway is local; no request leaves this machine');
try {
  await world.control('PUT', 'faults', {});
  const paid = await purchase(world);
  await refunds(world, paid);
  await pageByForm(world);
  await closed(world);
  await otherWays(world);
  await faulty(world);
  await bills(world);
  await misconfigured(world);
  if (flags['content-key']) await encrypted(world);
} catch (error) {
  check('the integration runs to its end', false, error.stack);
} finally {
  await shop.close();
  end();
}
