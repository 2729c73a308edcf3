// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// What is around the SDK: the shop's own server, which receives notices and
// returns, the buyer's browser, and the sandbox's control API.

import { createServer } from 'node:http';

/** startShop listens on a free port of this machine. Notices go to /notify. */
export async function startShop() {
  const shop = { notices: [], refuse: 0, judge: () => true };
  const waiting = [];
  const server = createServer((request, response) => {
    const chunks = [];
    request.on('data', chunk => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString('utf8');
      const fields = Object.fromEntries(new URLSearchParams(body));
      const answer = shop.judge(fields) ? 'success' : 'failure';
      shop.notices.push({ fields, body, answer, contentType: request.headers['content-type'] });
      response.end(answer);
      for (const wake of waiting.splice(0)) wake();
    });
  });
  await new Promise((resolve, reject) => {
    server.on('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  shop.url = `http://127.0.0.1:${server.address().port}`;
  shop.close = () => new Promise(resolve => {
    server.close(resolve);
    server.closeAllConnections();
  });
  /** receive waits for the notice after the first `count` ones. */
  shop.receive = async count => {
    const late = AbortSignal.timeout(20_000);
    while (shop.notices.length <= count) {
      await new Promise((resolve, reject) => {
        waiting.push(resolve);
        late.addEventListener('abort', () => reject(new Error(`no notice ${count + 1} within 20 s`)));
      });
    }
    return shop.notices[count];
  };
  return shop;
}

/** Browser is the buyer: it follows addresses, sends forms, presses buttons. */
export class Browser {
  async open(address) {
    const response = await fetch(address);
    this.address = response.url;
    this.status = response.status;
    this.page = await response.text();
    return this;
  }

  /** submit sends a self-submitting form such as pageExecute makes. */
  async submit(html) {
    const action = unescapeHTML(/<form[^>]* action="([^"]*)"/.exec(html)[1]);
    const fields = new URLSearchParams();
    for (const [, name, value] of html.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)) {
      fields.append(name, unescapeHTML(value));
    }
    const response = await fetch(action, { method: 'POST', body: fields });
    this.address = response.url;
    this.page = await response.text();
    return this;
  }

  /** press sends one of the cashier's forms: login, pay, cancel. */
  async press(action, fields = {}) {
    const session = /name="session" value="([0-9a-f]+)"/.exec(this.page)?.[1];
    const base = this.address.split('?')[0];
    const response = await fetch(`${base}/${action}`, {
      method: 'POST', body: new URLSearchParams({ ...fields, session: session ?? '' }),
    });
    this.page = await response.text();
    return this;
  }

  has(id) {
    return this.page.includes(`id="${id}"`);
  }

  /** text is what an element with an id shows. */
  text(id) {
    return unescapeHTML(new RegExp(`id="${id}"[^>]*>([^<]*)<`).exec(this.page)?.[1] ?? '');
  }

  /** link is where an anchor with an id leads. */
  link(id) {
    return unescapeHTML(new RegExp(`id="${id}" href="([^"]*)"`).exec(this.page)?.[1] ?? '');
  }
}

function unescapeHTML(text) {
  return text.replace(/&(amp|lt|gt|quot|#39|#34|#43);/g, (_, name) => ({
    amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'", '#34': '"', '#43': '+',
  })[name]);
}

/** controller speaks the sandbox's control API. */
export function controller(base) {
  return async (method, path, body) => {
    const response = await fetch(`${base}/control/${path}`, {
      method, body: body === undefined ? undefined : JSON.stringify(body),
    });
    const answer = await response.json();
    if (!response.ok) throw new Error(`${method} /control/${path}: ${response.status} ${answer.error}`);
    return answer;
  };
}
