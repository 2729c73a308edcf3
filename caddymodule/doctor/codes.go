// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package doctor

// Code names what was found. Codes are stable: each has a section of the same
// name in docs/doctor.md, and scripts may rely on them.
type Code string

// What is found in the configuration.
const (
	NoAccount       Code = "no-account"
	NoSite          Code = "no-site"
	UnknownAccount  Code = "unknown-account"
	OptionUnset     Code = "option-unset"
	BadAppID        Code = "app-id"
	BadSellerID     Code = "seller-id"
	NoSellerID      Code = "seller-id-missing"
	BadGateway      Code = "gateway-option"
	PlainGateway    Code = "gateway-plain"
	BadPublicURL    Code = "public-url"
	PlainPublicURL  Code = "public-url-http"
	InwardPublicURL Code = "public-url-private"
)

// What is found about keys and certificates.
const (
	NoPrivateKey    Code = "private-key-missing"
	BadPrivateKey   Code = "private-key"
	OpenPrivateKey  Code = "private-key-mode"
	NoAlipayKey     Code = "alipay-key-missing"
	BadAlipayKey    Code = "alipay-key"
	OwnPublicKey    Code = "own-public-key"
	MixedModes      Code = "key-modes-mixed"
	FewCerts        Code = "certificates-incomplete"
	BadCert         Code = "certificate"
	AppCertMismatch Code = "app-certificate-mismatch"
	CertExpired     Code = "certificate-expired"
	CertExpiring    Code = "certificate-expiring"
	CertChain       Code = "certificate-chain"
	BadEncryptKey   Code = "encrypt-key"
	KeysFine        Code = "keys-fine"
)

// What is found by asking Alipay's gateway.
const (
	GatewayUnreachable Code = "gateway-unreachable"
	ClockWrong         Code = "clock"
	AppUnknown         Code = "app-unknown"
	AppKeyUnknown      Code = "app-key-unknown"
	AppCertUnknown     Code = "app-certificate-unknown"
	AppOffline         Code = "app-offline"
	ProductUnsigned    Code = "product-unsigned"
	AlipayKeyWrong     Code = "alipay-key-wrong"
	GatewayUnsigned    Code = "gateway-unsigned"
	GatewayRefused     Code = "gateway-refused"
	GatewayFine        Code = "gateway-fine"
)

// What is found at the site, from outside in.
const (
	PublicURLUnreachable Code = "public-url-unreachable"
	PublicURLTLS         Code = "public-url-tls"
	NotifyRedirect       Code = "notify-redirect"
	NotifySlash          Code = "notify-slash"
	NotifyChallenge      Code = "notify-challenge"
	NotifyUserAgent      Code = "notify-user-agent"
	NotifyElsewhere      Code = "notify-elsewhere"
	NotifyFine           Code = "notify-fine"
)

// What is found at the shop.
const (
	ShopUnreachable Code = "shop-unreachable"
	ShopExposed     Code = "shop-exposed"
	ShopUnverified  Code = "shop-unverified"
	OrderLeaks      Code = "order-leaks"
	OrderAnyNumber  Code = "order-any-number"
	OrderUnusable   Code = "order-unusable"
	OrderFine       Code = "order-fine"
)

// What a running server tells of its ledger.
const (
	ServerDown        Code = "server-down"
	LedgerFailing     Code = "ledger-failing"
	BooksDiffer       Code = "books-differ"
	EventsDead        Code = "events-dead"
	EventsUndelivered Code = "events-undelivered"
	HeldWaiting       Code = "held-waiting"
	RefundsUnknown    Code = "refunds-unknown"
	LedgerFine        Code = "ledger-fine"
)

// Codes lists all of them, as the documentation does.
func Codes() []Code {
	return []Code{
		NoAccount, NoSite, UnknownAccount, OptionUnset, BadAppID, BadSellerID, NoSellerID, BadGateway, PlainGateway,
		BadPublicURL, PlainPublicURL, InwardPublicURL,
		NoPrivateKey, BadPrivateKey, OpenPrivateKey, NoAlipayKey, BadAlipayKey, OwnPublicKey, MixedModes, FewCerts, BadCert,
		AppCertMismatch, CertExpired, CertExpiring, CertChain, BadEncryptKey, KeysFine,
		GatewayUnreachable, ClockWrong, AppUnknown, AppKeyUnknown, AppCertUnknown, AppOffline, ProductUnsigned, AlipayKeyWrong,
		GatewayUnsigned, GatewayRefused, GatewayFine,
		PublicURLUnreachable, PublicURLTLS, NotifyRedirect, NotifySlash, NotifyChallenge, NotifyUserAgent, NotifyElsewhere, NotifyFine,
		ShopUnreachable, ShopExposed, ShopUnverified, OrderLeaks, OrderAnyNumber, OrderUnusable, OrderFine,
		ServerDown, LedgerFailing, BooksDiffer, EventsDead, EventsUndelivered, HeldWaiting, RefundsUnknown, LedgerFine,
	}
}

// Severity says how bad it is.
type Severity string

// The severities. A Fault costs payments or money, a Warning may, a Note is
// something to know, and Fine is what was checked and is in order.
const (
	Fault   Severity = "fault"
	Warning Severity = "warning"
	Note    Severity = "note"
	Fine    Severity = "fine"
)

// Finding is one thing that was found.
type Finding struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	Subject  string   `json:"subject,omitempty"` // "account default", "site https://shop.example.com"
	Text     string   `json:"text"`              // what was found
	Cure     string   `json:"cure,omitempty"`    // the line that mends it
}
