// A module of its own, so that the SDKs stay out of the plugin's dependencies.
module github.com/caddy-alipay/caddy-alipay/test/sdk-go

go 1.26.0

require (
	github.com/go-pay/gopay v1.5.115
	github.com/smartwalle/alipay/v3 v3.2.30
)

require (
	github.com/go-pay/crypto v0.0.1 // indirect
	github.com/go-pay/xlog v0.0.3 // indirect
	github.com/go-pay/xtime v0.0.2 // indirect
	github.com/smartwalle/ncrypto v1.0.4 // indirect
	github.com/smartwalle/ngx v1.1.1 // indirect
	github.com/smartwalle/nsign v1.0.9 // indirect
)
