// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package operator tests what an operator copies from this project: the commands
// of keys/README.md and Caddyfile.example, together and as they are.
package operator
