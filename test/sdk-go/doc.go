// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

// Package sdkgo holds tests only: the Go SDKs go-pay/gopay and
// smartwalle/alipay as clients of the program alipay-sandbox, which is built
// and started as anybody else would.
package sdkgo
