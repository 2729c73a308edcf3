// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"crypto"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/caddy-alipay/caddy-alipay/caddymodule"
	"github.com/caddy-alipay/caddy-alipay/caddymodule/gateway"
)

// certs examines the files of the certificate mode.
func (x *examination) certs(a *caddymodule.Account, private crypto.Signer) *gateway.Config {
	if a.AppCert == "" || len(a.AlipayCerts) == 0 || a.AlipayRootCert == "" {
		x.fault(FewCerts, x.say("the certificate mode needs app_cert, alipay_cert and alipay_root_cert together", "证书模式需要同时配置 app_cert、alipay_cert 和 alipay_root_cert"),
			"app_cert keys/appCertPublicKey.crt   alipay_cert keys/alipayCertPublicKey_RSA2.crt   alipay_root_cert keys/alipayRootCert.crt")
		return nil
	}
	before := len(x.found)
	cfg := new(gateway.Config)
	if certs := x.certificates("app_cert", a.AppCert); certs != nil {
		if private != nil && gateway.MatchAppCert(certs[0], private) != nil {
			x.fault(AppCertMismatch, x.say("app_cert was not made for app_private_key", "app_cert 与 app_private_key 不匹配"),
				x.say("name the private key with which the certificate request was made", "请使用生成证书请求（CSR）时的私钥"))
		}
		cfg.AppCertSN = gateway.CertSN(certs[0])
	}
	roots := x.roots(cfg, a.AlipayRootCert)
	for _, value := range a.AlipayCerts {
		certs := x.certificates("alipay_cert", value)
		if certs == nil {
			continue
		}
		key, err := gateway.CertificateKey(certs)
		switch {
		case err != nil:
			x.fault(BadCert, "alipay_cert: "+err.Error(), "alipay_cert keys/alipayCertPublicKey_RSA2.crt")
		case private != nil && key.Public.Equal(private.Public()):
			x.fault(OwnPublicKey, x.say("alipay_cert is the app's own certificate", "alipay_cert 填的是应用自己的证书"), "alipay_cert keys/alipayCertPublicKey_RSA2.crt")
		default:
			cfg.AlipayKeys = append(cfg.AlipayKeys, key)
			if err := gateway.CheckChain(certs, roots); err != nil && roots != nil {
				x.warning(CertChain, x.say("alipay_cert does not lead to alipay_root_cert: %v", "alipay_cert 无法追溯到 alipay_root_cert：%v", err), x.downloadCert())
			}
		}
	}
	if x.worstSince(before) == Fault {
		return nil
	}
	return cfg
}

// roots reads Alipay's root certificates, of which old ones have ended.
func (x *examination) roots(cfg *gateway.Config, value string) []*x509.Certificate {
	const cure = "alipay_root_cert keys/alipayRootCert.crt"
	data, err := caddymodule.ReadKey("alipay_root_cert", value)
	if err != nil {
		x.fault(BadCert, err.Error(), x.fileCure(err, value, cure))
		return nil
	}
	roots, err := gateway.ParseCertificates(data)
	if err == nil {
		cfg.AlipayRootCertSN, err = gateway.RootCertSN(data)
	}
	if err != nil {
		x.fault(BadCert, "alipay_root_cert: "+err.Error(), cure)
		return nil
	}
	return roots
}

func (x *examination) certificates(option, value string) []*x509.Certificate {
	data, err := caddymodule.ReadKey(option, value)
	if err != nil {
		x.fault(BadCert, err.Error(), x.fileCure(err, value, x.downloadCert()))
		return nil
	}
	certs, err := gateway.ParseCertificates(data)
	if err != nil {
		x.fault(BadCert, fmt.Sprintf("%s: %v", option, err), x.downloadCert())
		return nil
	}
	x.expiry(option, certs[0])
	return certs
}

func (x *examination) downloadCert() string {
	return x.say("download the certificate again from Alipay's console", "请从支付宝控制台重新下载证书")
}

// expiryNotice is how long before its end a certificate is warned of.
const expiryNotice = 30 * 24 * time.Hour

func (x *examination) expiry(option string, cert *x509.Certificate) {
	day := cert.NotAfter.Format(time.DateOnly)
	renew := x.say("renew it in Alipay's console, and download it", "请在支付宝控制台更新并下载证书")
	switch left := cert.NotAfter.Sub(x.Now()); {
	case left <= 0:
		x.fault(CertExpired, x.say("%s expired on %s", "%s 已于 %s 过期", option, day), renew)
	case left < expiryNotice:
		x.warning(CertExpiring, x.say("%s expires on %s, in %d days", "%s 将于 %s 过期，还有 %d 天", option, day, int(left.Hours()/24)), renew)
	}
}
