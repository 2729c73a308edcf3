// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package teashop

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	sessionCookie = "teashop_session"
	sessionLife   = 30 * 24 * time.Hour
	sessionKeyLen = 32 // bytes

	maxName = 32 // characters of a customer's name
)

// openSessionKey reads the key that signs the login cookies, or makes it, so
// that a restart logs nobody out.
func openSessionKey(path string) ([]byte, error) {
	key, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		key = make([]byte, sessionKeyLen)
		_, _ = rand.Read(key) // never fails
		return key, replaceFile(path, key)
	case err != nil:
		return nil, err
	case len(key) != sessionKeyLen:
		return nil, fmt.Errorf("%q does not hold %d bytes; delete it to have a new one made", path, sessionKeyLen)
	}
	return key, nil
}

func (s *Shop) seal(name string) string {
	mac := hmac.New(sha256.New, s.sessionKey)
	mac.Write([]byte(name))
	enc := base64.RawURLEncoding
	return enc.EncodeToString([]byte(name)) + "." + enc.EncodeToString(mac.Sum(nil))
}

// customer is who is logged in, "" if nobody is.
func (s *Shop) customer(r *http.Request) string {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return ""
	}
	encoded, _, _ := strings.Cut(cookie.Value, ".")
	name, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || !hmac.Equal([]byte(cookie.Value), []byte(s.seal(string(name)))) {
		return ""
	}
	return string(name)
}

func (s *Shop) showLogin(w http.ResponseWriter, r *http.Request) {
	s.show(w, r, http.StatusOK, "login", loginPage{Next: localPath(r.URL.Query().Get("next"))})
}

// logIn takes any name: the demo has customers, not secrets.
func (s *Shop) logIn(w http.ResponseWriter, r *http.Request) {
	next := localPath(r.PostFormValue("next"))
	name := strings.TrimSpace(r.PostFormValue("name"))
	if name == "" || !utf8.ValidString(name) || utf8.RuneCountInString(name) > maxName || strings.ContainsFunc(name, unicode.IsControl) {
		s.show(w, r, http.StatusUnprocessableEntity, "login", loginPage{Next: next, Bad: true})
		return
	}
	s.setSession(w, s.seal(name), int(sessionLife/time.Second))
	http.Redirect(w, r, next, http.StatusSeeOther)
}

func (s *Shop) logOut(w http.ResponseWriter, r *http.Request) {
	s.setSession(w, "", -1)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (s *Shop) setSession(w http.ResponseWriter, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(s.publicURL, "https:"),
	})
}

// localPath keeps a login from leading to another site: next has to be one of
// the shop's own paths.
func localPath(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil ||
		!strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\t\r\n") {
		return "/"
	}
	return next
}
