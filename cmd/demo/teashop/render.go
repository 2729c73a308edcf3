// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package teashop

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"
)

//go:embed web/*.html
var pageFiles embed.FS

//go:embed web/style.css
var style string

var styleVersion = func() string {
	sum := sha256.Sum256([]byte(style))
	return hex.EncodeToString(sum[:6])
}()

// pages are the templates, parsed once; each brings its own title and content.
var pages = parsePages("teas", "tea", "login", "orders", "order", "return", "settled", "problem")

func parsePages(names ...string) map[string]*template.Template {
	parsed := map[string]*template.Template{}
	for _, name := range names {
		parsed[name] = template.Must(template.ParseFS(pageFiles, "web/layout.html", "web/"+name+".html"))
	}
	return parsed
}

// page is what every template gets.
type page struct {
	Name     string
	Lang     string // zh or en
	Other    string // this page in the other language
	Customer string
	Style    string
	Data     any
}

type loginPage struct {
	Next string
	Bad  bool
}

type returnPage struct {
	Number  string
	Amount  string
	Payment Payment
	Headers []header
}

type header struct{ Name, Value string }

// T is one of the shop's texts in the page's language.
func (p page) T(key string) (string, error) {
	t, ok := texts[key]
	if !ok {
		return "", fmt.Errorf("no text %q", key)
	}
	return p.In(t), nil
}

// In chooses a text's language.
func (p page) In(t text) string {
	if p.Lang == "en" {
		return t.en
	}
	return t.zh
}

// Tea is a tea by its slug; orders name teas so.
func (page) Tea(slug string) Tea {
	t, _ := find(slug)
	return t
}

// TeaName is a tea's name in the page's language.
func (p page) TeaName(t Tea) string { return p.In(text{t.Name, t.English}) }

// Source says in words what proved a payment, "" if that is not known.
func (p page) Source(source string) string { return p.In(texts["source."+source]) }

// Yuan writes an amount of fen.
func (page) Yuan(fen int64) string { return yuan(fen) }

// Quantities are what a customer can choose from.
func (page) Quantities() []int {
	list := make([]int, maxQuantity)
	for i := range list {
		list[i] = i + 1
	}
	return list
}

// Time writes a time for people.
func (page) Time(t time.Time) string { return t.In(zone).Format("2006-01-02 15:04:05") }

const langCookie = "teashop_lang"

// language follows ?lang=, which is remembered, then the cookie, then the
// browser's wish, then Chinese.
func language(w http.ResponseWriter, r *http.Request) string {
	if lang := r.URL.Query().Get("lang"); lang == "zh" || lang == "en" {
		http.SetCookie(w, &http.Cookie{
			Name: langCookie, Value: lang, Path: "/", MaxAge: 365 * 24 * 3600, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		})
		return lang
	}
	if cookie, err := r.Cookie(langCookie); err == nil && (cookie.Value == "zh" || cookie.Value == "en") {
		return cookie.Value
	}
	for tag := range strings.SplitSeq(r.Header.Get("Accept-Language"), ",") {
		switch tag = strings.ToLower(strings.TrimSpace(tag)); {
		case strings.HasPrefix(tag, "zh"):
			return "zh"
		case strings.HasPrefix(tag, "en"):
			return "en"
		}
	}
	return "zh"
}

// otherLanguage is this page's address in the other language. It keeps the
// query: that of /pay/return is signed. A page that answers the order look-up
// has no address of its own.
func otherLanguage(u *url.URL, lang string) string {
	query, path := u.Query(), u.Path
	if strings.HasPrefix(path, "/alipay/") {
		query, path = url.Values{}, "/"
	}
	query.Set("lang", "en")
	if lang == "en" {
		query.Set("lang", "zh")
	}
	return (&url.URL{Path: path, RawQuery: query.Encode()}).String()
}

// show renders a page in full before the first byte is sent.
func (s *Shop) show(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	view := page{Name: name, Lang: language(w, r), Customer: s.customer(r), Style: "/style.css?" + styleVersion, Data: data}
	view.Other = otherLanguage(r.URL, view.Lang)
	var body bytes.Buffer
	if err := pages[name].ExecuteTemplate(&body, "layout", view); err != nil {
		s.log.Error("a page cannot be rendered", "page", name, "error", err)
		http.Error(w, "the page cannot be rendered", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", map[string]string{"zh": "zh-CN", "en": "en"}[view.Lang])
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy",
		"default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	w.WriteHeader(status)
	_, _ = w.Write(body.Bytes()) // a client that went away needs no answer
}
