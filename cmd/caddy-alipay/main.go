// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Command caddy-alipay is Caddy with this module built in: every command of
// caddy works, and list-modules names ours.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"

	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddy-alipay/caddy-alipay"
)

func main() { caddycmd.Main() }
