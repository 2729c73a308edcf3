// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package alipay is the import path under which xcaddy builds the plugin:
//
//	xcaddy build --with github.com/caddy-alipay/caddy-alipay
//
// It holds no code. The Caddy modules live in package caddymodule.
package alipay

import (
	_ "github.com/caddy-alipay/caddy-alipay/caddymodule"         // registers the modules
	_ "github.com/caddy-alipay/caddy-alipay/caddymodule/command" // registers caddy alipay
)
