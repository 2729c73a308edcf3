// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule_test

import (
	"net/http"
	"slices"
	"testing"

	"github.com/caddyserver/caddy/v2"
)

// TestRefusedEventComesAgain: no further notice is needed, and neither a reload
// nor a restart of Caddy in between loses the event.
func TestRefusedEventComesAgain(t *testing.T) {
	w := newWorld(t, "")
	for _, no := range []string{"A1", "A2", "A3"} {
		w.Shop.offer(no, "88.88")
		w.pay(no)
	}
	down := func(rw http.ResponseWriter, _ *received) { rw.WriteHeader(http.StatusBadGateway) }
	w.Shop.setDeliver(down)
	w.wantNotify(w.notice("A1", "88.88"), http.StatusServiceUnavailable, "failure")
	w.Shop.setDeliver(nil)
	w.wantAccepted("A1")

	w.Shop.setDeliver(down)
	w.wantNotify(w.notice("A2", "88.88"), http.StatusServiceUnavailable, "failure")
	w.reload()
	w.Shop.setDeliver(nil)
	w.wantAccepted("A2")

	w.Shop.setDeliver(down)
	w.wantNotify(w.notice("A3", "88.88"), http.StatusServiceUnavailable, "failure")
	if err := caddy.Stop(); err != nil {
		t.Fatal(err)
	}
	w.Shop.setDeliver(nil)
	w.reload()
	w.wantAccepted("A3")
}

// wantAccepted waits until the shop, which accepts by now, has had the order's
// payment a second time, and holds that it was the same event.
func (w *world) wantAccepted(no string) {
	w.t.Helper()
	var ids []string
	until(w.t, "the event of "+no+" comes again", func() bool {
		ids = nil
		for _, d := range w.Shop.deliveries() {
			if d.Header.Get("X-Alipay-Trade-Out-Trade-No") == no {
				ids = append(ids, d.Header.Get("X-Alipay-Trade-Event-Id"))
			}
		}
		return len(ids) > 1
	})
	if slices.Sort(ids); ids[0] == "" || ids[0] != ids[len(ids)-1] {
		w.t.Errorf("%s came as %q", no, ids)
	}
}
