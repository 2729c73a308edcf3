// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"encoding/json"
	"fmt"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/ledger"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/trade"
)

// encode cannot fail: the types of this file hold nothing that has no JSON form.
func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("encoding %T: %v", v, err))
	}
	return string(b)
}

func decode(what string, data []byte, v any) error {
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("the database holds a damaged %s: %w", what, err)
	}
	return nil
}

func bodyOf(o *trade.Order) body {
	b := body{
		SellerID: text(o.SellerID), BuyerID: text(o.BuyerID), PaidAt: toInstant(o.PaidAt), ClosedAt: toInstant(o.ClosedAt),
		Source: text(o.Source), Waiting: o.Waiting, Paid: o.Paid, Finished: o.Finished, Closed: o.Closed, Contradicted: o.Contradicted,
	}
	for _, a := range o.Attempts {
		b.Attempts = append(b.Attempts, attempt{
			Total: int64(a.Total), SellerID: text(a.SellerID), PublicURL: text(a.PublicURL), Channel: text(a.Channel),
			At: toInstant(a.At), ExpiresAt: toInstant(a.ExpiresAt), Count: a.Count,
		})
	}
	for _, r := range o.Refunds {
		b.Refunds = append(b.Refunds, refund{RequestNo: text(r.RequestNo), Sum: int64(r.Sum), Amount: int64(r.Amount), At: toInstant(r.At)})
	}
	for _, i := range o.Intents {
		b.Intents = append(b.Intents, intent{
			RequestNo: text(i.RequestNo), Amount: int64(i.Amount), Reason: text(i.Reason), At: toInstant(i.At),
			Outcome: text(i.Outcome), SettledAt: toInstant(i.SettledAt), Failure: text(i.Failure),
		})
	}
	return b
}

func (b *body) fill(o *trade.Order) {
	o.SellerID, o.BuyerID, o.PaidAt, o.ClosedAt = string(b.SellerID), string(b.BuyerID), b.PaidAt.time(), b.ClosedAt.time()
	o.Source = trade.Source(b.Source)
	o.Waiting, o.Paid, o.Finished, o.Closed, o.Contradicted = b.Waiting, b.Paid, b.Finished, b.Closed, b.Contradicted
	for _, a := range b.Attempts {
		o.Attempts = append(o.Attempts, trade.Attempt{
			Total: trade.Amount(a.Total), SellerID: string(a.SellerID), PublicURL: string(a.PublicURL), Channel: string(a.Channel),
			At: a.At.time(), ExpiresAt: a.ExpiresAt.time(), Count: a.Count,
		})
	}
	for _, r := range b.Refunds {
		o.Refunds = append(o.Refunds, trade.Refund{RequestNo: string(r.RequestNo), Sum: trade.Amount(r.Sum), Amount: trade.Amount(r.Amount), At: r.At.time()})
	}
	for _, i := range b.Intents {
		o.Intents = append(o.Intents, trade.RefundIntent{
			RequestNo: string(i.RequestNo), Amount: trade.Amount(i.Amount), Reason: string(i.Reason), At: i.At.time(),
			Outcome: trade.RefundOutcome(i.Outcome), SettledAt: i.SettledAt.time(), Failure: string(i.Failure),
		})
	}
}

func agendaOf(a *trade.Agenda) agenda {
	return agenda{
		TellAt: toInstant(a.TellAt), Refusals: a.Refusals, RefusedSince: toInstant(a.RefusedSince), Refusal: text(a.Refusal),
		AskAt: toInstant(a.AskAt), Asked: a.Asked, RefundAt: toInstant(a.RefundAt), RefundTries: a.RefundTries,
	}
}

func (a *agenda) agenda() trade.Agenda {
	return trade.Agenda{
		TellAt: a.TellAt.time(), Refusals: a.Refusals, RefusedSince: a.RefusedSince.time(), Refusal: string(a.Refusal),
		AskAt: a.AskAt.time(), Asked: a.Asked, RefundAt: a.RefundAt.time(), RefundTries: a.RefundTries,
	}
}

func factsOf(e *trade.Evidence) facts {
	return facts{
		AppID: text(e.AppID), OutTradeNo: text(e.OutTradeNo), TradeNo: text(e.TradeNo), Source: text(e.Source), Status: text(e.Status),
		Total: int64(e.Total), SellerID: text(e.SellerID), BuyerID: text(e.BuyerID), Refunded: int64(e.Refunded),
		RefundAmountMissing: e.RefundAmountMissing, RefundAmount: int64(e.RefundAmount), RefundRequestNo: text(e.RefundRequestNo),
		PaidAt: toInstant(e.PaidAt), RefundedAt: toInstant(e.RefundedAt), ClosedAt: toInstant(e.ClosedAt),
		ReceivedAt: toInstant(e.ReceivedAt), NotifyID: text(e.NotifyID),
	}
}

func (f *facts) evidence() trade.Evidence {
	return trade.Evidence{
		AppID: string(f.AppID), OutTradeNo: string(f.OutTradeNo), TradeNo: string(f.TradeNo),
		Source: trade.Source(f.Source), Status: trade.Status(f.Status), Total: trade.Amount(f.Total),
		SellerID: string(f.SellerID), BuyerID: string(f.BuyerID), Refunded: trade.Amount(f.Refunded),
		RefundAmountMissing: f.RefundAmountMissing, RefundAmount: trade.Amount(f.RefundAmount), RefundRequestNo: string(f.RefundRequestNo),
		PaidAt: f.PaidAt.time(), RefundedAt: f.RefundedAt.time(), ClosedAt: f.ClosedAt.time(),
		ReceivedAt: f.ReceivedAt.time(), NotifyID: string(f.NotifyID),
	}
}

func decisionOf(d *trade.Decision) *string {
	if d.Word == trade.DecideNone {
		return nil
	}
	s := encode(decision{
		Word: text(d.Word), At: toInstant(d.At), PublicURL: text(d.PublicURL), RequestNo: text(d.RequestNo),
		Outcome: text(d.Outcome), Failure: text(d.Failure),
	})
	return &s
}

func (d *decision) decision() trade.Decision {
	return trade.Decision{
		Word: trade.Decide(d.Word), At: d.At.time(), PublicURL: string(d.PublicURL), RequestNo: string(d.RequestNo),
		Outcome: trade.RefundOutcome(d.Outcome), Failure: string(d.Failure),
	}
}

func tellingsOf(list []ledger.Telling) *string {
	if len(list) == 0 {
		return nil
	}
	out := make([]telling, len(list))
	for i, t := range list {
		out[i] = telling{
			Sequence: t.Sequence, AcceptedAt: toInstant(t.AcceptedAt), Refusals: t.Refusals,
			RefusedSince: toInstant(t.RefusedSince), Refusal: text(t.Refusal),
		}
	}
	s := encode(out)
	return &s
}

func (t *telling) telling() ledger.Telling {
	return ledger.Telling{
		Sequence: t.Sequence, AcceptedAt: t.AcceptedAt.time(), Refusals: t.Refusals,
		RefusedSince: t.RefusedSince.time(), Refusal: string(t.Refusal),
	}
}
