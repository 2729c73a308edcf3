// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/smartwalle/alipay/v3"
	"go.etcd.io/bbolt"
)

// pageText is the shop's page in the benchmark of requests that are not ours.
var pageText = strings.Repeat("Longjing, picked before Qingming. ", 30)

// startShop is a shop that answers everything at once: a page, an order, the
// acceptance of an event.
func startShop(*operations) (map[string]string, func(), error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { write(w, pageText) })
	mux.HandleFunc("GET /alipay/orders/{number}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		write(w, `{"out_trade_no":"`+r.PathValue("number")+`","total_amount":"`+price+`","subject":"明前龙井 250g"}`)
	})
	mux.HandleFunc("POST /pay/notify", func(w http.ResponseWriter, _ *http.Request) { write(w, "success") })
	return serve(mux)
}

// startMerchant is what a merchant has today: a plain net/http server that
// verifies with the SDK, finds the order, compares the amount, stores the
// payment in one bbolt.Update and answers success.
func startMerchant(o *operations) (map[string]string, func(), error) {
	db, err := bbolt.Open(filepath.Join(o.setup.Scratch, "merchant.db"), 0o600, nil)
	if err != nil {
		return nil, nil, err
	}
	if err := seedMerchant(db, o.setup.Orders); err != nil {
		return nil, nil, err
	}
	client, err := newSDK(o.setup.Dir)
	if err != nil {
		return nil, nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { write(w, pageText) })
	mux.HandleFunc("POST /pay/notify", func(w http.ResponseWriter, r *http.Request) {
		if err := book(db, client, r); err != nil {
			http.Error(w, "failure", http.StatusBadRequest)
			return
		}
		alipay.ACKNotification(w)
	})
	return serve(mux)
}

func newSDK(dir string) (*alipay.Client, error) {
	private, err := os.ReadFile(filepath.Join(dir, appKeyFile))
	if err != nil {
		return nil, err
	}
	public, err := os.ReadFile(filepath.Join(dir, publicKeyFile))
	if err != nil {
		return nil, err
	}
	client, err := alipay.New(appID, string(private), true)
	if err != nil {
		return nil, err
	}
	return client, client.LoadAliPayPublicKey(string(public))
}

// merchantOrder is the merchant's own record of an order.
type merchantOrder struct {
	Amount  string `json:"amount"`
	Paid    bool   `json:"paid,omitempty"`
	TradeNo string `json:"trade_no,omitempty"`
	PaidAt  string `json:"paid_at,omitempty"`
}

var bucketOrders = []byte("orders")

func seedMerchant(db *bbolt.DB, n int) error {
	return db.Update(func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucketOrders)
		if err != nil {
			return err
		}
		for i := range n {
			if err := b.Put([]byte(orderNumber(i)), []byte(`{"amount":"`+price+`"}`)); err != nil {
				return err
			}
		}
		return nil
	})
}

func book(db *bbolt.DB, client *alipay.Client, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	n, err := client.DecodeNotification(r.Context(), r.PostForm)
	if err != nil {
		return err
	}
	if n.AppId != appID || n.SellerId != sellerID || n.TradeStatus != alipay.TradeStatusSuccess {
		return errors.New("not a payment to us")
	}
	return db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketOrders)
		var order merchantOrder
		if err := json.Unmarshal(b.Get([]byte(n.OutTradeNo)), &order); err != nil {
			return err
		}
		if order.Amount != n.TotalAmount {
			return fmt.Errorf("%s was paid, not %s", n.TotalAmount, order.Amount)
		}
		order.Paid, order.TradeNo, order.PaidAt = true, n.TradeNo, n.GmtPayment
		data, err := json.Marshal(order)
		if err != nil {
			return err
		}
		return b.Put([]byte(n.OutTradeNo), data)
	})
}

func serve(h http.Handler) (map[string]string, func(), error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	server := &http.Server{Handler: h}
	go server.Serve(l) //nolint:errcheck // it ends with the process
	return map[string]string{"site": l.Addr().String()}, func() { server.Close() }, nil
}

func write(w http.ResponseWriter, text string) {
	_, _ = w.Write([]byte(text)) // the load generator counts what does not arrive
}
