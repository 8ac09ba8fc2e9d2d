package partnerhook

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckURL(t *testing.T) {
	for _, test := range []struct {
		text, want string
		lab        string // with allowPrivate; "" is as without, "-" is refused
	}{
		{text: "https://partner.com/hooks", want: "https://partner.com/hooks"},
		{text: "https://partner.com", want: "https://partner.com/"},
		{text: "HTTPS://Partner.COM:443/A?b=C", want: "https://partner.com/A?b=C"},
		{text: "https://partner.com./a", want: "https://partner.com/a"},
		{text: "https://partner.com:8443/", want: "https://partner.com:8443/"},
		{text: "https://partner.com:08443/", want: "https://partner.com:8443/"},
		{text: "https://partner.com:/", want: "https://partner.com/"},
		{text: "https://partner.com/a%2Fb/ü?", want: "https://partner.com/a%2Fb/%C3%BC"},
		{text: "https://partner.com/a%2fb\"|<>^`{}", want: "https://partner.com/a%2fb%22%7C%3C%3E%5E%60%7B%7D"},
		{text: "https://partner.com/a\\..\\b c?q=%2F ü", want: "https://partner.com/a%5C..%5Cb%20c?q=%2F%20%C3%BC"},
		{text: "https://partner.com?a=[b]", want: "https://partner.com/?a=[b]"},
		{text: "https://partner.com//a/../b;c", want: "https://partner.com//a/../b;c"},
		{text: "https://bücher.example.org/", want: "https://xn--bcher-kva.example.org/"},
		{text: "https://XN--bcher-KVA.example.org/", want: "https://xn--bcher-kva.example.org/"},
		{text: "https://铁路。中国/", want: "https://xn--rt3a77k.xn--fiqs8s/"},
		{text: "https://93.184.216.34/", want: "https://93.184.216.34/"},
		{text: "https://[2606:2800:0220:1::1]:8443/", want: "https://[2606:2800:220:1::1]:8443/"},

		{text: ""},
		{text: "partner.com/hooks"},
		{text: "//partner.com/"},
		{text: "/hooks"},
		{text: "https:partner.com"},
		{text: "https:///hooks"},
		{text: "https://:8443/"},
		{text: " https://partner.com/"},
		{text: "https://partner.com/\n"},
		{text: "https://partner.com/\x00"},
		{text: "https://partner.com/?a=\r\nHost:b"},
		{text: "https://partner.com/%zz"},
		{text: "https://partner.com/\xff"},
		{text: "https://par tner.com/"},
		{text: "https://partner.com\\@10.0.0.1/"},
		{text: "https://partner_one.com/"},
		{text: "https://-partner.com/"},
		{text: "https://partner..com/"},
		{text: "https://partner.com../"},
		{text: "https://xn--a.com/"},
		{text: "https://xn-ü.com/", want: "https://xn--xn--joa.com/"},
		{text: "https://xn-%80000000000000000.00A"},
		{text: "https://" + strings.Repeat("a", 64) + ".com/"},
		{text: "https://" + strings.Repeat("a.", 130) + "com/"},
		{text: "http://partner.com/", lab: "http://partner.com/"},
		{text: "http://partner.com:80/", lab: "http://partner.com/"},
		{text: "ftp://partner.com/"},
		{text: "file:///etc/passwd"},
		{text: "gopher://partner.com/"},
		{text: "https://user@partner.com/"},
		{text: "https://user:sesame@partner.com/"},
		{text: "https://@partner.com/"},
		{text: "https://partner.com/#top"},
		{text: "https://partner.com/#"},
		{text: "https://partner.com:0/"},
		{text: "https://partner.com:65536/"},
		{text: "https://partner.com:-1/"},
		{text: "https://partner.com:https/"},
		{text: "https://partner.com:22/", lab: "https://partner.com:22/"},
		{text: "https://partner.com:80/", lab: "https://partner.com:80/"},
		{text: "https://partner.com:1023/", lab: "https://partner.com:1023/"},

		{text: "https://partner/", lab: "https://partner/"},
		{text: "https://localhost/", lab: "https://localhost/"},
		{text: "https://LOCALHOST.:8443/", lab: "https://localhost:8443/"},
		{text: "https://a.localhost/", lab: "https://a.localhost/"},
		{text: "https://printer.local/", lab: "https://printer.local/"},
		{text: "https://metadata.google.internal/", lab: "https://metadata.google.internal/"},
		{text: "https://nas.home.arpa/", lab: "https://nas.home.arpa/"},
		{text: "https://a.test/", lab: "https://a.test/"},
		{text: "https://a.onion/", lab: "https://a.onion/"},
		{text: "https://notlocalhost.com/", want: "https://notlocalhost.com/"},

		{text: "https://127.0.0.1/", lab: "https://127.0.0.1/"},
		{text: "https://10.0.0.1:8443/", lab: "https://10.0.0.1:8443/"},
		{text: "https://169.254.169.254/latest"},
		{text: "https://0.0.0.0/"},
		{text: "https://[::1]/", lab: "https://[::1]/"},
		{text: "https://[fd00::1]/", lab: "https://[fd00::1]/"},
		{text: "https://[::]/"},
		{text: "https://[fe80::1%25eth0]/"},
		{text: "https://[::ffff:127.0.0.1]/"},
		{text: "https://[::ffff:7f00:1]/"},
		{text: "https://[::ffff:93.184.216.34]/"},
		{text: "https://[0:0:0:0:0:ffff:5db8:d822]/"},
		{text: "https://[64:ff9b::127.0.0.1]/"},
		{text: "https://[64:ff9b::5db8:d822]/"},
		{text: "https://[2002:7f00:1::]/"},
		{text: "https://[::127.0.0.1]/"},
		{text: "https://[v1.a]/"},
		{text: "https://[127.0.0.1]/"},
		// Other forms of 127.0.0.1, and of 93.184.216.34.
		{text: "https://2130706433/"},
		{text: "https://0x7f000001/"},
		{text: "https://0x7F.1/"},
		{text: "https://017700000001/"},
		{text: "https://0177.0.0.1/"},
		{text: "https://127.1/"},
		{text: "https://127.0.1/"},
		{text: "https://127.0.0.01/"},
		{text: "https://127.0.0.1./", lab: "https://127.0.0.1/"},
		{text: "https://127.0.0.0x1/"},
		{text: "https://127.0.0.0x/"},
		{text: "https://127.0.0.1.1/"},
		{text: "https://256.0.0.1/"},
		{text: "https://１２７.0.0.1/", lab: "https://127.0.0.1/"},
		{text: "https://127。0。0。1/", lab: "https://127.0.0.1/"},
		{text: "https://①②⑦.0.0.1/", lab: "https://127.0.0.1/"},
		{text: "https://1572395042/"},
		{text: "https://0135.0270.0330.042/"},
		{text: "https://partner.0x1/"},
		{text: "https://partner.123/"},
		{text: "https://123.partner.com/", want: "https://123.partner.com/"},
		{text: "https://0x7f.0.0.1.com/", want: "https://0x7f.0.0.1.com/"},
		{text: "https://127.0.0.1.0xg/", want: "https://127.0.0.1.0xg/"},
	} {
		t.Run(strconv.Quote(test.text), func(t *testing.T) {
			require.NotPanics(t, func() { checkURL(t, test.text, false, test.want) })
			want := test.lab
			if want == "" {
				want = test.want
			}
			checkURL(t, test.text, true, want)
		})
	}
}

func checkURL(t *testing.T, text string, allowPrivate bool, want string) {
	t.Helper()
	got, err := CheckURL(text, allowPrivate)
	require.Equal(t, want, got)
	if want == "" {
		require.ErrorIs(t, err, ErrTarget)
	} else {
		require.NoError(t, err)
	}
}

func TestCheckURL_Length(t *testing.T) {
	longest := "https://partner.com/" + strings.Repeat("a", MaxURL-len("https://partner.com/"))
	checkURL(t, longest, false, longest)
	checkURL(t, longest+"a", false, "")
	// Three bytes for each of these once it is written out.
	checkURL(t, "https://partner.com/"+strings.Repeat("ü", MaxURL/4), false, "")
}

func TestCheckURL_Words(t *testing.T) {
	for text, want := range map[string]string{
		"http://partner.com/":                 "its scheme is not https",
		"https://u:sesame@partner.com/":       "it has a user name or a password",
		"https://partner.com/?token=sesame#a": "it has a fragment",
		"https://partner.com:25/":             "its port is 25, and only 443 and those from 1024 on are called",
		"https://10.1.2.3/":                   "10.1.2.3 is a private address",
		"https://0177.1/":                     "0177.1 is no IPv4 address of four decimal numbers",
		"https://[::ffff:10.0.0.1]/":          "::ffff:10.0.0.1 is an IPv4 address in the form of another kind",
		"https://partner/":                    "partner is no public name: it has no full stop",
		"https://localhost/":                  "localhost is no public name: nothing public ends in localhost",
		"https://metadata.google.internal/": "metadata.google.internal is no public name: nothing public " +
			"ends in internal",
		"https://partner.com:sesame/":                "it is no URL of the form https://host/path",
		"https://u:sesame/":                          "it is no URL of the form https://host/path",
		"https://[fe80::1%25eth0]/":                  "fe80::1%eth0 is an address of one link",
		"https://a..b/?sesame":                       "its host is no name that can be looked up",
		"https://p.com/" + strings.Repeat("a", 2048): "it has 2062 bytes, and at most 2048 are taken",
	} {
		_, err := CheckURL(text, false)
		require.EqualError(t, err, "the address of the webhook is refused: "+want)
	}
}

func FuzzCheckURL(f *testing.F) {
	for _, text := range []string{
		"https://partner.com/hooks?a=b", "https://bücher.example.org:8443/%2f", "https://[2606::1]/",
		"http://localhost:80",
		"https://0x7f.1/", "https://[::ffff:127.0.0.1]/", "https://１２７.0.0.1/", "https://a@b/#c",
		"https://a.b./?",
		"https://xn--bcher-kva.example.org", "https://[fe80::1%25a]/", "https://93.184.216.34:65535//..//;a",
	} {
		f.Add(text, false)
		f.Add(text, true)
	}
	f.Fuzz(func(t *testing.T, text string, allowPrivate bool) {
		checked, err := CheckURL(text, allowPrivate)
		if err != nil {
			require.ErrorIs(t, err, ErrTarget)
			require.Empty(t, checked)
			return
		}
		again, err := CheckURL(checked, allowPrivate)
		require.NoError(t, err)
		require.Equal(t, checked, again)
		require.LessOrEqual(t, len(checked), MaxURL)
		if !allowPrivate {
			_, err = CheckURL(checked, true)
			require.NoError(t, err, "what is public is a target in a lab as well")
		}

		u, err := url.Parse(checked)
		require.NoError(t, err)
		require.Nil(t, u.User)
		require.Empty(t, u.Fragment)
		require.True(t, strings.HasPrefix(u.Path, "/"))
		require.True(t, u.Scheme == "https" || allowPrivate && u.Scheme == "http")
		for _, c := range []byte(u.Host) {
			require.True(t, c < 0x80 && c > ' ' && (c < 'A' || c > 'Z'), u.Host)
		}
		if address, err := netip.ParseAddr(u.Hostname()); err == nil {
			require.Empty(t, refusedAddress(address, allowPrivate))
		}
	})
}
