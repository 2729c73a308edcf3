// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Lets the official SDK make every request that /pay made, and compares: the
// same parameters, and the same signature, byte for byte.

import { createPublicKey, createVerify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { AlipaySdk } from 'alipay-sdk';
import { check, end, sdk, world } from './world.mjs';

const merchant = sdk(world.appPrivateKey, world.alipayPublicKey);
// What the gateway has is the key that was uploaded; the SDK verifies with it as
// it verifies notices.
const appPublicKey = createPublicKey(readFileSync(world.appPrivateKey));
const gateway = new AlipaySdk({
  appId: world.appId, privateKey: readFileSync(world.appPrivateKey, 'utf8'), keyType: 'PKCS8',
  alipayPublicKey: appPublicKey.export({ type: 'spki', format: 'pem' }),
});

async function pay(order, channel, accept) {
  const response = await fetch(`${world.site}/pay?out_trade_no=${order}&channel=${channel}`, {
    headers: { Accept: accept }, redirect: 'manual',
  });
  return { status: response.status, location: response.headers.get('location'), text: await response.text() };
}

/** unescape undoes what HTML needs in an attribute. */
function unescape(text) {
  const named = { amp: '&', lt: '<', gt: '>', quot: '"' };
  return text.replace(/&(?:#(\d+)|(\w+));/g, (_, code, name) => (code ? String.fromCodePoint(Number(code)) : named[name]));
}

/** parametersOfForm reads the form as a browser would post it. */
function parametersOfForm(html) {
  const action = new URL(unescape(/<form [^>]*action="([^"]*)"/.exec(html)[1]));
  for (const [, name, value] of html.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)">/g)) {
    action.searchParams.append(unescape(name), unescape(value));
  }
  return action;
}

function compare(url, { out_trade_no: order, escaped }, channel) {
  const names = [...url.searchParams.keys()];
  check(`${order}: no parameter comes twice`, new Set(names).size === names.length, names);
  const got = Object.fromEntries(url.searchParams);
  const { method, sign, biz_content: content, app_id: appId, charset, version, sign_type: signType, ...others } = got;
  const expected = merchant.sdkExecute(`alipay.trade.${channel}.pay`, { ...others, bizContent: JSON.parse(content) },
    { bizContentAutoSnakeCase: false });
  const want = Object.fromEntries(new URLSearchParams(expected));
  for (const name of new Set([...names, ...Object.keys(want)])) {
    if (escaped && name === 'biz_content') {
      check(`${order}: the SDK means the same`, isDeepStrictEqual(JSON.parse(want[name]), JSON.parse(got[name])));
      continue;
    }
    if (escaped && name === 'sign') continue;
    check(`${order}: the SDK has the same ${name}`, got[name] === want[name], `${got[name]}, the SDK has ${want[name]}`);
  }
  check(`${order}: the SDK verifies it`, gateway.checkNotifySignV2({ ...got }) === true);
  check(`${order}: the SDK refuses a changed one`, gateway.checkNotifySignV2({ ...got, app_id: '2021000000000002' }) === false);
  // once more with Node's own crypto, and a canonical string written here
  const signed = names.filter(name => name !== 'sign').sort().map(name => `${name}=${got[name]}`).join('&');
  check(`${order}: the signature is the app's`, createVerify('RSA-SHA256').update(signed, 'utf8').verify(appPublicKey, sign, 'base64'));
  const wrong = createVerify('RSA-SHA256').update(signed.replace('88', '99'), 'utf8').verify(appPublicKey, sign, 'base64');
  check(`${order}: another string is refused`, !wrong);
  return JSON.parse(content);
}

for (const channel of ['page', 'wap']) {
  for (const order of world.orders) {
    const json = await pay(order.out_trade_no, channel, 'application/json');
    check(`${order.out_trade_no} can be paid`, json.status === 200, `${json.status} ${json.text}`);
    const content = compare(new URL(JSON.parse(json.text).alipay_url), order, channel);
    for (const name of ['out_trade_no', 'total_amount', 'body']) {
      check(`${name} is the shop's`, content[name] === order[name], content[name]);
    }
    const html = await pay(order.out_trade_no, channel, 'text/html');
    if (html.status === 303) compare(new URL(html.location), order, channel);
    else compare(parametersOfForm(html.text), order, channel);
    check(`${order.out_trade_no} comes as ${order.form ? 'a form' : 'a redirect'}`, html.status === (order.form ? 200 : 303));
  }
}
end();
