// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule/sandbox/internal/wire"
)

// Defaults of Config.
const (
	DefaultSellerID = "2088102146225135"
	DefaultTimeout  = 10 * time.Second

	defaultMerchant    = "沙箱商户 Sandbox Shop"
	defaultFinishAfter = 365 * 24 * time.Hour
)

// Config says whose gateway this is. AppID and AppPublicKey are required,
// everything else has a default.
type Config struct {
	// AppID is the merchant's app: digits, at most 32.
	AppID string
	// AppPublicKey checks the merchant's requests. ParsePublicKey reads one.
	AppPublicKey *rsa.PublicKey
	// AlipayKey signs answers, returns and notices. Default: made anew.
	AlipayKey *rsa.PrivateKey
	// Certificates, when set, put the gateway into certificate mode. They must
	// be for AppPublicKey and AlipayKey, which then has to be given too.
	Certificates *Certificates
	// ContentKey is the AES key (16 bytes) of requests with encrypt_type=AES.
	// Default: none, such requests are refused.
	ContentKey []byte
	// SellerID is the merchant's account. Default DefaultSellerID.
	SellerID string
	// MerchantName is shown on the cashier's pages. Default: 沙箱商户 Sandbox Shop.
	MerchantName string

	// Clock is the gateway's time. Default: a SimClock at Speed, which Close
	// stops. A Clock given here is the caller's to stop.
	Clock Clock
	// Speed is how many times faster than real time the default clock runs.
	// Default 1.
	Speed float64
	// FinishAfter is how long after payment a trade can be refunded; then it
	// is TRADE_FINISHED. Default 365 days.
	FinishAfter time.Duration

	// HTTPClient sends the notices. It must not follow redirects: Alipay does
	// not. Default: a client of its own with DefaultTimeout per notice.
	HTTPClient *http.Client
	// Logger gets one line per request and notice, without buyers' data.
	// Default: none.
	Logger *slog.Logger
}

// ParsePublicKey reads an RSA public key of at least 2048 bits: PEM or, as
// Alipay's key tool writes it, one line of base64.
func ParsePublicKey(text []byte) (*rsa.PublicKey, error) { return wire.ParsePublicKey(text) }

// ParsePrivateKey reads an RSA private key of at least 2048 bits, PKCS #8 or
// PKCS #1, PEM or one line of base64.
func ParsePrivateKey(text []byte) (*rsa.PrivateKey, error) { return wire.ParsePrivateKey(text) }

func (c Config) withDefaults() (Config, error) {
	if c.AppID == "" || len(c.AppID) > 32 {
		return c, fmt.Errorf("the app id %q is not 1 to 32 digits", c.AppID)
	}
	for _, r := range c.AppID {
		if r < '0' || r > '9' {
			return c, fmt.Errorf("the app id %q is not 1 to 32 digits", c.AppID)
		}
	}
	if c.AppPublicKey == nil {
		return c, errors.New("the app's public key is missing: requests could not be checked")
	}
	if c.Speed < 0 {
		return c, fmt.Errorf("the speed %v is negative", c.Speed)
	}
	if c.Speed == 0 {
		c.Speed = 1
	}
	if c.SellerID == "" {
		c.SellerID = DefaultSellerID
	}
	if c.MerchantName == "" {
		c.MerchantName = defaultMerchant
	}
	if c.FinishAfter <= 0 {
		c.FinishAfter = defaultFinishAfter
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.AlipayKey == nil {
		key, err := wire.NewKey()
		if err != nil {
			return c, err
		}
		c.AlipayKey = key
	}
	if c.AlipayKey.N.BitLen() < wire.MinKeyBits {
		return c, fmt.Errorf("the gateway's own key has %d bits; RSA2 needs %d", c.AlipayKey.N.BitLen(), wire.MinKeyBits)
	}
	if c.AlipayKey.PublicKey.Equal(c.AppPublicKey) {
		return c, errors.New("the app's public key belongs to the gateway's own private key; give the merchant's")
	}
	if len(c.ContentKey) != 0 && len(c.ContentKey) != 16 {
		return c, fmt.Errorf("the content key has %d bytes; AES needs 16", len(c.ContentKey))
	}
	if c.Certificates != nil {
		return c, c.Certificates.check(c.AppPublicKey, &c.AlipayKey.PublicKey)
	}
	return c, nil
}

// newClient is the default sender of notices: no redirects, no proxy, bounded
// in time. How much of an answer is read is bounded where it is read.
func newClient() *http.Client {
	return &http.Client{
		Timeout: DefaultTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
		Transport: &http.Transport{
			DialContext:            (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
			TLSHandshakeTimeout:    3 * time.Second,
			MaxIdleConnsPerHost:    4,
			IdleConnTimeout:        30 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
		},
	}
}
