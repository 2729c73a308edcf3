// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package teashop

import (
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	maxForm     = 64 << 10 // bytes of any request's body
	maxQuantity = 9        // packets in one order
)

// Config says where the shop is and keeps its things.
type Config struct {
	// PublicURL is where customers reach the shop, such as
	// http://127.0.0.1:9400. Requests for another host are sent there.
	PublicURL string
	// Dir is an existing folder for orders.json and session.key.
	Dir string
	// Now is the shop's clock. Default: time.Now.
	Now func() time.Time
	// Logger gets what goes wrong. Default: nothing is logged.
	Logger *slog.Logger
}

// Shop is the shop, an http.Handler.
type Shop struct {
	publicURL  string
	host       string
	now        func() time.Time
	log        *slog.Logger
	orders     *book
	sessionKey []byte
	handler    http.Handler
}

// Open opens the shop, with the orders of the last time.
func Open(cfg Config) (*Shop, error) {
	public, err := url.Parse(cfg.PublicURL)
	if err != nil || public.Host == "" {
		return nil, fmt.Errorf("the shop's public URL %q names no host", cfg.PublicURL)
	}
	s := &Shop{publicURL: strings.TrimRight(cfg.PublicURL, "/"), host: public.Host, now: cfg.Now, log: cfg.Logger}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.orders, err = openBook(filepath.Join(cfg.Dir, "orders.json")); err != nil {
		return nil, err
	}
	if s.sessionKey, err = openSessionKey(filepath.Join(cfg.Dir, "session.key")); err != nil {
		return nil, err
	}
	s.handler = s.onlyHere(http.NewCrossOriginProtection().Handler(s.routes()))
	return s, nil
}

func (s *Shop) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.showTeas)
	mux.HandleFunc("GET /tea/{slug}", s.showTea)
	mux.HandleFunc("POST /tea/{slug}", s.buy)
	mux.HandleFunc("GET /login", s.showLogin)
	mux.HandleFunc("POST /login", s.logIn)
	mux.HandleFunc("POST /logout", s.logOut)
	mux.HandleFunc("GET /orders", s.showOrders)
	mux.HandleFunc("GET /orders/{number}", s.showOrder)
	mux.HandleFunc("GET /style.css", serveStyle)
	mux.HandleFunc("/", s.notFound)

	// what a shop adds to be paid: see alipay.go
	mux.HandleFunc("GET /alipay/orders/{out_trade_no}", s.lookUp)
	mux.HandleFunc("POST /pay/notify", s.delivered)
	mux.HandleFunc("GET /pay/return", s.returned)
	return mux
}

// ServeHTTP implements http.Handler.
func (s *Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// onlyHere serves requests that came through the front door. Whoever opens the
// shop's own port is shown to it, also a web page that renamed this machine
// (DNS rebinding) to send headers of its own making.
func (s *Shop) onlyHere(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != s.host {
			if r.Method == http.MethodGet || r.Method == http.MethodHead {
				http.Redirect(w, r, s.publicURL+"/", http.StatusTemporaryRedirect)
				return
			}
			http.Error(w, "fail: this shop is at "+s.publicURL, http.StatusMisdirectedRequest)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		next.ServeHTTP(w, r)
	})
}

func (s *Shop) showTeas(w http.ResponseWriter, r *http.Request) {
	s.show(w, r, http.StatusOK, "teas", teas)
}

func (s *Shop) showTea(w http.ResponseWriter, r *http.Request) {
	tea, ok := find(r.PathValue("slug"))
	if !ok {
		s.notFound(w, r)
		return
	}
	s.show(w, r, http.StatusOK, "tea", tea)
}

// buy makes an order of one tea. Its price is the shop's own, of this moment.
func (s *Shop) buy(w http.ResponseWriter, r *http.Request) {
	tea, ok := find(r.PathValue("slug"))
	if !ok {
		s.notFound(w, r)
		return
	}
	customer := s.customer(r)
	if customer == "" {
		http.Redirect(w, r, "/login?next="+url.QueryEscape("/tea/"+tea.Slug), http.StatusSeeOther)
		return
	}
	quantity, err := strconv.Atoi(r.PostFormValue("quantity"))
	if err != nil || quantity < 1 || quantity > maxQuantity {
		s.problem(w, r, http.StatusUnprocessableEntity, "quantity.bad")
		return
	}
	now := s.now().In(zone)
	order := Order{
		Number: now.Format("T20060102") + rand.Text()[:10], Customer: customer,
		Tea: tea.Slug, Quantity: quantity, Amount: tea.Price * int64(quantity), Created: now.UTC().Truncate(time.Second),
	}
	if err := s.orders.add(order); err != nil {
		s.log.Error("an order cannot be saved", "error", err)
		s.problem(w, r, http.StatusServiceUnavailable, "save.failed")
		return
	}
	http.Redirect(w, r, "/orders/"+order.Number, http.StatusSeeOther)
}

func (s *Shop) showOrders(w http.ResponseWriter, r *http.Request) {
	customer := s.customer(r)
	if customer == "" {
		http.Redirect(w, r, "/login?next=%2Forders", http.StatusSeeOther)
		return
	}
	s.show(w, r, http.StatusOK, "orders", s.orders.of(customer))
}

// showOrder shows an order to its customer. To others it does not exist.
func (s *Shop) showOrder(w http.ResponseWriter, r *http.Request) {
	number := r.PathValue("number")
	customer := s.customer(r)
	if customer == "" {
		http.Redirect(w, r, "/login?next="+url.QueryEscape("/orders/"+number), http.StatusSeeOther)
		return
	}
	order, found := s.orders.find(number)
	if !found || order.Customer != customer {
		s.notFound(w, r)
		return
	}
	s.show(w, r, http.StatusOK, "order", order)
}

// settled says that there is nothing left to pay.
func (s *Shop) settled(w http.ResponseWriter, r *http.Request, order Order) {
	s.show(w, r, http.StatusConflict, "settled", order)
}

func (s *Shop) notFound(w http.ResponseWriter, r *http.Request) {
	s.problem(w, r, http.StatusNotFound, "notfound")
}

func (s *Shop) problem(w http.ResponseWriter, r *http.Request, status int, key string) {
	s.show(w, r, status, "problem", key)
}

func serveStyle(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable") // its address changes with it
	_, _ = io.WriteString(w, style)
}
