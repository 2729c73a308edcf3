// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

// Couriers shows tests of the outside how the pool of couriers is used.
var Couriers = couriers
