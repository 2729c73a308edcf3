// Copyright the caddy-alipay authors
// SPDX-License-Identifier: Apache-2.0

package teashop

import (
	"embed"
	"html/template"
)

// Tea is one product. Price is in fen.
type Tea struct {
	Slug          string
	Name, English string
	Price         int64
	Origin        text
	Note          text // one line
	Story         text
	Brew          text
	Tint          string // the class of its picture's background
	Art           template.HTML
}

//go:embed web/art/*.svg
var artFiles embed.FS

var teas = withArt([]Tea{
	{
		Slug: "longjing", Name: "明前龙井", English: "Longjing, before the rains", Price: 88_00, Tint: "leaf",
		Origin: text{"浙江 杭州", "Hangzhou, Zhejiang"},
		Note:   text{"豆香清甜，扁平光滑", "Chestnut sweet, flat leaves"},
		Story: text{"清明前采摘的一芽一叶，手工在铁锅里抖、搭、捺、磨，炒成扁平的小片。汤色嫩绿，入口有炒豆的甜香。",
			"One bud and one leaf, picked before Qingming and pressed flat by hand in a hot pan. A pale green cup with the sweetness of roasted beans."},
		Brew: text{"3 克 · 85 ℃ · 2 分钟", "3 g · 85 °C · 2 minutes"},
	},
	{
		Slug: "jasmine", Name: "茉莉绣球", English: "Jasmine pearls", Price: 46_80, Tint: "blossom",
		Origin: text{"福建 福州", "Fuzhou, Fujian"},
		Note:   text{"七窨一提，花香入骨", "Scented seven nights over"},
		Story: text{"绿茶与当晚初开的茉莉同眠七夜，再揉成小球。热水一冲，珠子慢慢舒展，花香先到。",
			"Green tea sleeps beside fresh jasmine for seven nights and is then rolled into pearls. They open slowly in hot water; the scent arrives first."},
		Brew: text{"4 克 · 90 ℃ · 2 分钟", "4 g · 90 °C · 2 minutes"},
	},
	{
		Slug: "tieguanyin", Name: "安溪铁观音", English: "Tieguanyin oolong", Price: 98_00, Tint: "orchid",
		Origin: text{"福建 安溪", "Anxi, Fujian"},
		Note:   text{"兰花香，七泡有余香", "Orchid, through seven infusions"},
		Story: text{"摇青之后轻焙，叶片卷成沉甸甸的小球。头两泡是兰花，后几泡是米汤般的甜润。",
			"Tossed, lightly roasted and curled into heavy little knots. Orchid in the first two cups, a soft grain sweetness in the rest."},
		Brew: text{"7 克 · 沸水 · 快出汤", "7 g · boiling · quick pours"},
	},
	{
		Slug: "yinzhen", Name: "白毫银针", English: "Silver needle", Price: 128_00, Tint: "moon",
		Origin: text{"福建 福鼎", "Fuding, Fujian"},
		Note:   text{"只取茶芽，日光萎凋", "Buds only, dried in the sun"},
		Story: text{"只采肥壮的单芽，不炒不揉，在竹匾上晒干。满披白毫，汤色杏黄，味道像清晨的露水。",
			"Plump single buds, neither fired nor rolled, dried on bamboo trays. Silver down, an apricot cup, a taste like early dew."},
		Brew: text{"5 克 · 90 ℃ · 3 分钟", "5 g · 90 °C · 3 minutes"},
	},
	{
		Slug: "lapsang", Name: "正山小种", English: "Lapsang souchong", Price: 68_00, Tint: "ember",
		Origin: text{"福建 武夷山", "Wuyi Mountains, Fujian"},
		Note:   text{"松烟香，桂圆汤", "Pine smoke and longan"},
		Story: text{"红茶的起点。松柴慢熏的茶叶乌黑油润，汤色橙红，烟香里裹着桂圆的甜。",
			"Where black tea began. Dark leaves smoked slowly over pine, an amber cup, and dried longan beneath the smoke."},
		Brew: text{"5 克 · 95 ℃ · 快出汤", "5 g · 95 °C · quick pours"},
	},
	{
		Slug: "puer", Name: "十年熟普", English: "Ten-year ripe pu'er", Price: 158_00, Tint: "earth",
		Origin: text{"云南 勐海", "Menghai, Yunnan"},
		Note:   text{"陈香醇厚，一饼慢喝", "Deep and round, a cake to take your time with"},
		Story: text{"勐海大树茶发酵后压饼，放了整整十年。汤色像红酒，口感绵厚，适合饭后和长夜。",
			"Large-leaf tea from Menghai, fermented, pressed and kept for ten years. Dark as wine and soft as a long evening."},
		Brew: text{"8 克 · 沸水 · 洗茶一次", "8 g · boiling · rinse once"},
	},
})

func withArt(list []Tea) []Tea {
	for i := range list {
		svg, err := artFiles.ReadFile("web/art/" + list[i].Slug + ".svg")
		if err != nil {
			panic(err) // the picture is missing from this build
		}
		list[i].Art = template.HTML(svg) //nolint:gosec // the shop's own, embedded file
	}
	return list
}

func find(slug string) (Tea, bool) {
	for _, t := range teas {
		if t.Slug == slug {
			return t, true
		}
	}
	return Tea{}, false
}
