// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package sandbox is an Alipay gateway to develop against: a library first,
// and the program alipay-sandbox.
package sandbox
