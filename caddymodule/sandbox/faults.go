// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/bank"
)

// Fault is one way to misbehave. In JSON it may also be its bare name.
type Fault struct {
	// Name is one of FaultCatalogue's.
	Name string `json:"name"`
	// Method narrows a fault of answers to one method, by its full name or its
	// last word: "alipay.trade.query" or "query". Empty: every method.
	Method string `json:"method,omitempty"`
	// Times is how often the fault strikes before it is used up; 0: always.
	Times int `json:"times,omitempty"`
	// Delay is how long a fault that waits waits, as "30s". Empty: its default.
	Delay Delay `json:"delay,omitempty"`
}

// Delay is a duration, written "1m30s" in JSON.
type Delay time.Duration

// MarshalText writes the delay as Go writes durations.
func (d Delay) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration reads; 0 to 48 hours.
func (d *Delay) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil || parsed < 0 || parsed > 48*time.Hour {
		return fmt.Errorf("the delay %q is not a duration from 0s to 48h, such as \"30s\"", text)
	}
	*d = Delay(parsed)
	return nil
}

func (d Delay) or(otherwise time.Duration) time.Duration {
	if d == 0 {
		return otherwise
	}
	return time.Duration(d)
}

// UnmarshalJSON accepts a name alone or the whole object.
func (f *Fault) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		return json.Unmarshal(text, &f.Name)
	}
	type plain Fault
	return strictJSON(text, (*plain)(f))
}

// Switches choose among the notices about which Alipay's documents disagree.
type Switches struct {
	NotifyRefund   bool `json:"notify_refund"`   // default true
	NotifyClosed   bool `json:"notify_closed"`   // default false
	NotifyFinished bool `json:"notify_finished"` // default false
	// NotifyRetriesAtOnce sends a refused notice three times more at once, before
	// the other retries, as documents of payments at the counter say. Default
	// false.
	NotifyRetriesAtOnce bool `json:"notify_retries_at_once"`
	// MagicAmounts lets an order's amount choose a fault (FaultCatalogue).
	// Default true.
	MagicAmounts bool `json:"magic_amounts"`
}

// DefaultSwitches are Alipay's defaults.
func DefaultSwitches() Switches { return Switches{NotifyRefund: true, MagicAmounts: true} }

// UnmarshalJSON leaves what is absent at its default.
func (sw *Switches) UnmarshalJSON(text []byte) error {
	type plain Switches
	*sw = DefaultSwitches()
	return strictJSON(text, (*plain)(sw))
}

// Faults is everything that goes wrong: for every order, and for single ones.
type Faults struct {
	// About says for people what the set is; a file of it tells itself.
	About    string             `json:"about,omitempty"`
	Global   []Fault            `json:"global"`
	Orders   map[string][]Fault `json:"orders"` // by out_trade_no
	Switches Switches           `json:"switches"`
}

// UnmarshalJSON refuses unknown members, so that a misspelt one is noticed.
func (f *Faults) UnmarshalJSON(text []byte) error {
	type plain Faults
	*f = Faults{Switches: DefaultSwitches()}
	return strictJSON(text, (*plain)(f))
}

const (
	maxFaults = 10_000
	maxAbout  = 2000 // bytes
)

// check validates names and bounds.
func (f Faults) check() error {
	total := 0
	for _, list := range append(slices.Collect(maps.Values(f.Orders)), f.Global) {
		total += len(list)
		for _, fault := range list {
			if _, ok := catalogued(fault.Name); !ok {
				return fmt.Errorf("there is no fault %q; GET /control/faults lists them", fault.Name)
			}
			if fault.Times < 0 {
				return fmt.Errorf("the fault %q is to strike %d times; 0 means always", fault.Name, fault.Times)
			}
		}
	}
	if len(f.About) > maxAbout {
		return fmt.Errorf("about has %d bytes; %d is the most", len(f.About), maxAbout)
	}
	if total > maxFaults {
		return fmt.Errorf("%d faults are too many; %d is the most", total, maxFaults)
	}
	return nil
}

func (f Faults) clone() Faults {
	f.Global = append([]Fault{}, f.Global...)
	orders := make(map[string][]Fault, len(f.Orders))
	for name, list := range f.Orders {
		orders[name] = append([]Fault{}, list...)
	}
	f.Orders = orders
	return f
}

// faults is the set in force; Times counts down in it.
type faults struct{ current Faults }

func newFaults() faults { return faults{Faults{Switches: DefaultSwitches()}.clone()} }

// SetFaults replaces all faults and switches.
func (s *Sandbox) SetFaults(next Faults) error {
	if err := next.check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults.current = next.clone()
	return nil
}

// Faults returns what is in force, used-up faults left out.
func (s *Sandbox) Faults() Faults {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.faults.current.clone()
}

// strikes tells whether a fault strikes now, and uses it up by one: the
// order's own first, then the global ones, then the amount's. It runs under
// s.mu.
func (s *Sandbox) strikes(name, outTradeNo, method string) (Fault, bool) {
	current := &s.faults.current
	if own, fault, ok := take(current.Orders[outTradeNo], name, method); ok {
		current.Orders[outTradeNo] = own
		return fault, true
	}
	if global, fault, ok := take(current.Global, name, method); ok {
		current.Global = global
		return fault, true
	}
	if current.Switches.MagicAmounts {
		if known, _ := catalogued(name); known.Amount != "" && known.Amount == s.total(outTradeNo).String() {
			return Fault{Name: name}, true
		}
	}
	return Fault{}, false
}

func take(list []Fault, name, method string) ([]Fault, Fault, bool) {
	for i, fault := range list {
		if fault.Name != name || !fault.covers(method) {
			continue
		}
		switch fault.Times {
		case 0:
		case 1:
			list = slices.Delete(slices.Clone(list), i, i+1)
		default:
			list[i].Times--
		}
		return list, fault, true
	}
	return list, Fault{}, false
}

func (f Fault) covers(method string) bool {
	return f.Method == "" || f.Method == method || strings.HasSuffix(method, "."+f.Method)
}

func (s *Sandbox) has(name string, trade *bank.Trade) bool {
	_, ok := s.strikes(name, trade.OutTradeNo, "")
	return ok
}

// looms tells whether a fault would strike, and does not use it up.
func (s *Sandbox) looms(name string, trade *bank.Trade) bool {
	current := s.faults.current
	for _, fault := range slices.Concat(current.Orders[trade.OutTradeNo], current.Global) {
		if fault.Name == name {
			return true
		}
	}
	known, _ := catalogued(name)
	return current.Switches.MagicAmounts && known.Amount == trade.Total.String()
}

// total is an order's amount, 0 when nothing is known of it.
func (s *Sandbox) total(outTradeNo string) bank.Fen {
	if trade := s.trade(outTradeNo); trade != nil {
		return trade.Total
	}
	if known := s.orders[outTradeNo]; known != nil && known.latest() != nil {
		return known.latest().asked.Total
	}
	return 0
}
