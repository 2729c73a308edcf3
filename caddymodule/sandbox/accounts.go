// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"net/http"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/bank"
)

// Accounts are everybody's money.
type Accounts struct {
	Seller SellerAccount  `json:"seller"`
	Buyers []BuyerAccount `json:"buyers"`
}

// SellerAccount is the merchant's. Refunds are paid from its balance.
type SellerAccount struct {
	SellerID string `json:"seller_id"`
	Balance  string `json:"balance"`
}

// BuyerAccount is a test buyer's.
type BuyerAccount struct {
	Buyer    int    `json:"buyer"` // what POST …/pay takes
	UserID   string `json:"user_id"`
	OpenID   string `json:"open_id"` // set: notices and answers name him by it
	LogonID  string `json:"logon_id"`
	Name     string `json:"name"`
	AuthCode string `json:"auth_code"` // the bar code that alipay.trade.pay takes
	Balance  string `json:"balance"`
	Blocked  bool   `json:"blocked"`
}

// Accounts reads the balances.
func (s *Sandbox) Accounts() Accounts {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := Accounts{Seller: SellerAccount{SellerID: s.cfg.SellerID, Balance: s.book.Seller.String()}}
	for i, buyer := range s.book.Buyers {
		all.Buyers = append(all.Buyers, BuyerAccount{
			Buyer: i + 1, UserID: buyer.UserID, OpenID: buyer.OpenID, LogonID: buyer.LogonID, Name: buyer.Name,
			AuthCode: buyer.AuthNo, Balance: buyer.Balance.String(), Blocked: buyer.Blocked,
		})
	}
	return all
}

// Withdraw takes an amount of yuan from the merchant's account, as a transfer to
// his bank would. What is not there cannot be refunded:
// ACQ.SELLER_BALANCE_NOT_ENOUGH.
func (s *Sandbox) Withdraw(amount string) error {
	fen, err := bank.ParseFen(amount)
	if err != nil {
		return refuse(http.StatusBadRequest, "the amount %q: %v", amount, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if fen > s.book.Seller {
		return refuse(http.StatusConflict, "the merchant's account has %s, not %s", s.book.Seller, fen)
	}
	s.book.Seller -= fen
	return nil
}

func (s *Sandbox) controlAccounts(w http.ResponseWriter, _ *http.Request) {
	s.reply(w, s.Accounts(), nil)
}

func (s *Sandbox) controlWithdraw(w http.ResponseWriter, r *http.Request) {
	var ask struct {
		Amount string `json:"amount"`
	}
	err := readControl(w, r, &ask)
	if err == nil {
		err = s.Withdraw(ask.Amount)
	}
	s.reply(w, s.Accounts(), err)
}
