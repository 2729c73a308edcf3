// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package ledgercopy

import (
	"bytes"
	"fmt"
	"reflect"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// kind is what compare has to know of a kind of records.
type kind[T any] struct {
	position func(*T) uint64
	name     func(*T) string // for people
	equal    func(want, have *T) bool
	earlier  func(have, want *T) bool // have is a state that want has come from
}

// compare returns the records of a page of the source that the target has not, or
// has in an earlier state. have are the target's after the page before; those beyond
// the page are left for the next one, if there are more.
func compare[T any](page, have []T, more bool, k *kind[T]) (missing []T, err error) {
	i := 0
	for j := range have {
		at := k.position(&have[j])
		for i < len(page) && k.position(&page[i]) < at {
			missing = append(missing, page[i])
			i++
		}
		switch {
		case i == len(page) && more:
			return missing, nil
		case i == len(page) || k.position(&page[i]) > at:
			return nil, fmt.Errorf("%w: %s", ErrUsed, k.name(&have[j]))
		case k.equal(&page[i], &have[j]):
		case !k.earlier(&have[j], &page[i]):
			return nil, fmt.Errorf("%w: %s has gone on there", ErrUsed, k.name(&have[j]))
		default:
			missing = append(missing, page[i])
		}
		i++
	}
	return append(missing, page[i:]...), nil
}

// first names the first of some records.
func first[T any](list []T, k *kind[T]) string {
	if len(list) == 0 {
		return ""
	}
	return k.name(&list[0])
}

var orderKind = &kind[ledger.Record]{
	position: func(r *ledger.Record) uint64 { return r.Position },
	name:     func(r *ledger.Record) string { return "order " + r.Order.OutTradeNo + " of app " + r.Order.AppID },
	equal:    func(want, have *ledger.Record) bool { return same(want, have) },
	earlier:  earlierOrder,
}

var heldKind = &kind[ledger.HeldRecord]{
	position: func(r *ledger.HeldRecord) uint64 { return r.Position },
	name:     func(r *ledger.HeldRecord) string { return "the held item " + r.Held.ID },
	equal:    func(want, have *ledger.HeldRecord) bool { return same(want, have) },
	earlier: func(have, want *ledger.HeldRecord) bool {
		before := *have
		before.Held.Decision = want.Held.Decision
		return same(want, &before) && (have.Held.Decision.Word == trade.DecideNone || !have.Held.Decision.At.After(want.Held.Decision.At))
	},
}

// earlierOrder reports whether all that have holds is in want, too: statements and
// events only ever come behind those that there are.
func earlierOrder(have, want *ledger.Record) bool {
	if len(have.Evidence) > len(want.Evidence) || len(have.Events) > len(want.Events) ||
		have.Order.Accepted > want.Order.Accepted || have.Order.UpdatedAt.After(want.Order.UpdatedAt) || have.Order.Key() != want.Order.Key() {
		return false
	}
	return same(new(have.Evidence), new(want.Evidence[:len(have.Evidence)])) && same(new(have.Events), new(want.Events[:len(have.Events)]))
}

// same reports whether two records are equal, in every field there is. A list
// without elements is one that is not there.
func same[T any](a, b *T) bool { return equal(reflect.ValueOf(a).Elem(), reflect.ValueOf(b).Elem()) }

func equal(a, b reflect.Value) bool {
	switch a.Kind() {
	case reflect.Slice:
		if a.Type().Elem().Kind() == reflect.Uint8 {
			return bytes.Equal(a.Bytes(), b.Bytes())
		}
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			if !equal(a.Index(i), b.Index(i)) {
				return false
			}
		}
		return true
	case reflect.Struct:
		if t, ok := reflect.TypeAssert[time.Time](a); ok {
			u, _ := reflect.TypeAssert[time.Time](b)
			return t.Equal(u)
		}
		for i := range a.NumField() {
			if !equal(a.Field(i), b.Field(i)) {
				return false
			}
		}
		return true
	}
	return a.Equal(b)
}
