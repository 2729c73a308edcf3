// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package caddymodule

import (
	"errors"
	"fmt"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/courier"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/shop"
)

// TestOutcomes: each has words of its own.
func TestOutcomes(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for i, o := range outcomes {
		key := string(o.route) + " " + o.word
		if o.word == "" || o.route == routeNone || seen[key] {
			t.Errorf("outcome %d is %q", i, key)
		}
		seen[key] = true
		if outcome(i).acknowledged() && o.route != routeNotify {
			t.Errorf("%q is acknowledged", key)
		}
	}
}

func TestOutcomesOfErrors(t *testing.T) {
	t.Parallel()
	other := errors.New("something else")
	for _, tc := range []struct {
		err  error
		want outcome
	}{
		{caddyhttp.Error(409, errAlreadyPaid), payPaid},
		{caddyhttp.Error(409, errOrderClosed), payClosed},
		{caddyhttp.Error(409, errOrderHeld), payHeld},
		{caddyhttp.Error(400, other), payBadRequest},
		{caddyhttp.Error(413, other), payBadRequest},
		{caddyhttp.Error(502, other), payBadOrder},
		{caddyhttp.Error(503, other), payBadOrder}, // the shop's reverse_proxy has no upstream
		{caddyhttp.Error(504, other), payBadOrder},
		{caddyhttp.Error(503, errTryLater), payUnavailable},
		{caddyhttp.Error(500, errTryLater), payFailed},
		{other, payFailed},
	} {
		if got := payFailure(tc.err); got != tc.want {
			t.Errorf("%v is %s, want %s", tc.err, outcomes[got].word, outcomes[tc.want].word)
		}
	}
	refused := func(err error) error { return fmt.Errorf("%w: %w", shop.ErrRefused, err) }
	for _, tc := range []struct {
		err  error
		want string
		then outcome
	}{
		{refused(other), deliveryRefused, notifyUndelivered},
		{refused(caddyhttp.Error(504, other)), deliveryTimeout, notifyUndelivered},
		{refused(caddyhttp.Error(502, other)), deliveryUnreachable, notifyUndelivered},
		{fmt.Errorf("%w: x", courier.ErrNoSite), deliveryRefused, notifyNoSite},
		{courier.ErrWithheld, deliveryRefused, notifyWithheld},
	} {
		if got, then := deliveryOutcome(tc.err), untold(tc.err); got != tc.want || then != tc.then {
			t.Errorf("%v is %s and %s, want %s and %s", tc.err, got, outcomes[then].word, tc.want, outcomes[tc.then].word)
		}
	}
	if got := deliveryOutcome(nil); got != deliveryAccepted {
		t.Errorf("no error is %s", got)
	}
}
