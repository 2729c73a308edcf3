// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/bank"
)

const (
	maxControl = 4 << 20          // bytes of a request to the control API
	maxMove    = 10 * 365 * 24    // hours that the clock moves at once
	maxWait    = 30 * time.Second // real time that a call waits for notices
)

// controlRoutes are the HTTP API for tests in any language. ?wait=1 on a POST
// lets the answer wait until the notices under way are done.
func (s *Sandbox) controlRoutes(mux *http.ServeMux) {
	calls := map[string]map[string]http.HandlerFunc{
		"trades":                       {"GET": s.controlTrades},
		"trades/{out_trade_no}":        {"GET": s.controlTrade},
		"trades/{out_trade_no}/pay":    {"POST": s.controlAction(s.controlPay)},
		"trades/{out_trade_no}/close":  {"POST": s.controlAction(s.controlClose)},
		"trades/{out_trade_no}/finish": {"POST": s.controlAction(s.controlFinish)},
		"notices/{id}/resend":          {"POST": s.controlResend},
		"faults":                       {"GET": s.controlFaults, "PUT": s.controlSetFaults},
		"clock":                        {"GET": s.controlClock},
		"clock/advance":                {"POST": s.controlAdvance},
		"accounts":                     {"GET": s.controlAccounts},
		"accounts/seller/withdraw":     {"POST": s.controlWithdraw},
	}
	for path, methods := range calls {
		for method, call := range methods {
			mux.HandleFunc(method+" /control/"+path, call)
		}
		allow := strings.Join(slices.Sorted(maps.Keys(methods)), ", ")
		mux.HandleFunc("/control/"+path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", allow)
			s.reply(w, nil, refuse(http.StatusMethodNotAllowed, "%s is not for this address; use %s", r.Method, allow))
		})
	}
	mux.HandleFunc("/control/", func(w http.ResponseWriter, _ *http.Request) {
		s.reply(w, nil, refuse(http.StatusNotFound, "the control API has no such address; docs/sandbox.md lists what it has"))
	})
}

// problem is a failed call of the control API.
type problem struct {
	status int
	text   string
}

func (p *problem) Error() string { return p.text }

func refuse(status int, format string, args ...any) error {
	return &problem{status, fmt.Sprintf(format, args...)}
}

// strictJSON decodes exactly one value and refuses unknown members.
func strictJSON(text []byte, into any) error {
	decoder := json.NewDecoder(strings.NewReader(string(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one JSON value")
	}
	return nil
}

func readControl(w http.ResponseWriter, r *http.Request, into any) error {
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxControl))
	if err != nil {
		return refuse(http.StatusRequestEntityTooLarge, "the body cannot be read or is over %d bytes", maxControl)
	}
	if strings.TrimSpace(string(text)) == "" {
		return nil
	}
	if err := strictJSON(text, into); err != nil {
		return refuse(http.StatusBadRequest, "the body is not the JSON expected here: %v", err)
	}
	return nil
}

// reply writes JSON, or the error as {"error": …}.
func (s *Sandbox) reply(w http.ResponseWriter, value any, err error) {
	status := http.StatusOK
	if err != nil {
		status = http.StatusConflict
		if known := (*problem)(nil); errors.As(err, &known) {
			status = known.status
		}
		value = map[string]string{"error": err.Error()}
	}
	text, err := plainJSON(value)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n')) // a client that went away needs no answer
}

// settleFor waits for notices if the call asked for it.
func (s *Sandbox) settleFor(r *http.Request) error {
	if r.URL.Query().Get("wait") == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), maxWait)
	defer cancel()
	if err := s.WaitIdle(ctx); err != nil {
		return refuse(http.StatusGatewayTimeout, "%v", err)
	}
	return nil
}

func (s *Sandbox) controlTrades(w http.ResponseWriter, _ *http.Request) {
	s.reply(w, map[string]any{"trades": s.Trades()}, nil)
}

func (s *Sandbox) controlTrade(w http.ResponseWriter, r *http.Request) {
	trade, err := s.Trade(r.PathValue("out_trade_no"))
	s.reply(w, trade, err)
}

// controlAction runs an action on an order and answers with its trade.
func (s *Sandbox) controlAction(act func(w http.ResponseWriter, r *http.Request, outTradeNo string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		outTradeNo := r.PathValue("out_trade_no")
		err := act(w, r, outTradeNo)
		if err == nil {
			err = s.settleFor(r)
		}
		if err != nil {
			s.reply(w, nil, err)
			return
		}
		trade, err := s.Trade(outTradeNo)
		s.reply(w, trade, err)
	}
}

func (s *Sandbox) controlPay(w http.ResponseWriter, r *http.Request, outTradeNo string) error {
	ask := struct {
		Buyer int `json:"buyer"`
	}{Buyer: 1}
	if err := readControl(w, r, &ask); err != nil {
		return err
	}
	return s.Pay(outTradeNo, ask.Buyer)
}

func (s *Sandbox) controlClose(_ http.ResponseWriter, _ *http.Request, outTradeNo string) error {
	return s.CloseTrade(outTradeNo)
}

func (s *Sandbox) controlFinish(_ http.ResponseWriter, _ *http.Request, outTradeNo string) error {
	return s.Finish(outTradeNo)
}

func (s *Sandbox) controlResend(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	err := s.Resend(id)
	if err == nil {
		err = s.settleFor(r)
	}
	if err != nil {
		s.reply(w, nil, err)
		return
	}
	s.mu.Lock()
	view := s.notices[id].view()
	s.mu.Unlock()
	s.reply(w, view, nil)
}

func (s *Sandbox) controlFaults(w http.ResponseWriter, _ *http.Request) {
	current := s.Faults()
	s.reply(w, object{{"about", current.About}, {"global", current.Global}, {"orders", current.Orders},
		{"switches", current.Switches}, {"catalogue", FaultCatalogue()}}, nil)
}

func (s *Sandbox) controlSetFaults(w http.ResponseWriter, r *http.Request) {
	// The catalogue is ignored, so that what GET gave can be edited and put back.
	var asked struct {
		About     string             `json:"about"`
		Global    []Fault            `json:"global"`
		Orders    map[string][]Fault `json:"orders"`
		Switches  *Switches          `json:"switches"`
		Catalogue json.RawMessage    `json:"catalogue"`
	}
	if err := readControl(w, r, &asked); err != nil {
		s.reply(w, nil, err)
		return
	}
	next := Faults{About: asked.About, Global: asked.Global, Orders: asked.Orders, Switches: DefaultSwitches()}
	if asked.Switches != nil {
		next.Switches = *asked.Switches
	}
	if err := s.SetFaults(next); err != nil {
		s.reply(w, nil, refuse(http.StatusBadRequest, "%v", err))
		return
	}
	s.controlFaults(w, r)
}

func (s *Sandbox) controlClock(w http.ResponseWriter, _ *http.Request) {
	s.reply(w, map[string]string{"now": controlTime(s.clock.Now())}, nil)
}

func (s *Sandbox) controlAdvance(w http.ResponseWriter, r *http.Request) {
	var ask struct {
		Seconds  float64 `json:"seconds"`
		Duration string  `json:"duration"`
	}
	err := readControl(w, r, &ask)
	move := time.Duration(0)
	if err == nil {
		move, err = distance(ask.Seconds, ask.Duration)
	}
	if err == nil {
		err = s.Advance(r.Context(), move)
	}
	if errors.Is(err, ErrNoStepper) {
		err = refuse(http.StatusNotImplemented, "%v", err)
	}
	s.reply(w, map[string]string{"now": controlTime(s.clock.Now())}, err)
}

func distance(seconds float64, duration string) (time.Duration, error) {
	var move time.Duration
	switch {
	case duration == "" && seconds == 0:
		return 0, refuse(http.StatusBadRequest, "say how far: {\"duration\": \"4m\"} or {\"seconds\": 240}")
	case duration != "" && seconds != 0:
		return 0, refuse(http.StatusBadRequest, "give seconds or duration, not both")
	case duration != "":
		parsed, err := time.ParseDuration(duration)
		if err != nil {
			return 0, refuse(http.StatusBadRequest, "the duration %q is not one such as \"4m\" or \"1h30m\"", duration)
		}
		move = parsed
	case seconds >= 0 && seconds <= maxMove*3600:
		move = time.Duration(seconds * float64(time.Second))
	default:
		move = -1
	}
	if move < 0 || move > maxMove*time.Hour {
		return 0, refuse(http.StatusBadRequest, "the clock moves forward only, by ten years at most")
	}
	return move, nil
}

func controlTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(zone).Format(time.RFC3339)
}

// buyer is the test buyer with a number from 1 on.
func (s *Sandbox) buyer(number int) (*bank.Buyer, error) {
	if number < 1 || number > len(s.book.Buyers) {
		return nil, refuse(http.StatusBadRequest, "there is no buyer %d; there are 1 to %d", number, len(s.book.Buyers))
	}
	return s.book.Buyers[number-1], nil
}
