package gateway_test

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/gateway"
)

func TestAddressOf(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	for name, c := range map[string]struct {
		peer      string
		forwarded []string
		want      string
	}{
		"nobody in between":       {"203.0.113.7:4711", nil, "203.0.113.7/32"},
		"a stranger's word":       {"203.0.113.7:4711", []string{"198.51.100.1"}, "203.0.113.7/32"},
		"a proxy":                 {"10.0.0.1:80", []string{"203.0.113.7"}, "203.0.113.7/32"},
		"what its client made up": {"10.0.0.1:80", []string{"198.51.100.1, 203.0.113.7"}, "203.0.113.7/32"},
		"proxies in a row": {
			"10.0.0.1:80", []string{"198.51.100.1, 203.0.113.7, 10.0.0.2"}, "203.0.113.7/32",
		},
		"several headers": {"10.0.0.1:80", []string{
			"198.51.100.1", "203.0.113.7", "10.0.0.2,10.0.0.3",
		}, "203.0.113.7/32"},
		"with a port":                       {"10.0.0.1:80", []string{"203.0.113.7:1234"}, "203.0.113.7/32"},
		"proxies only":                      {"10.0.0.1:80", []string{"10.0.0.9, 10.0.0.2"}, "10.0.0.9/32"},
		"a proxy that says nothing":         {"10.0.0.1:80", nil, "10.0.0.1/32"},
		"rubbish behind the last known hop": {"10.0.0.1:80", []string{"203.0.113.7, rubbish, 10.0.0.2"}, "10.0.0.2/32"},
		"an address of IPv6":                {"[2001:db8:1:2:3:4:5:6]:443", nil, "2001:db8:1:2::/64"},
		"its neighbour in the household":    {"[2001:db8:1:2:ffff::1]:443", nil, "2001:db8:1:2::/64"},
		"IPv6 behind a proxy":               {"[fd00::1]:443", []string{"[2001:db8:1:2::5]:99"}, "2001:db8:1:2::/64"},
		"IPv6 in brackets":                  {"[fd00::1]:443", []string{"[2001:db8:1:2::5]"}, "2001:db8:1:2::/64"},
		"IPv4 in IPv6":                      {"[::ffff:203.0.113.7]:443", nil, "203.0.113.7/32"},
		"a proxy in IPv6": {
			"[::ffff:10.0.0.1]:443", []string{"::ffff:203.0.113.7"}, "203.0.113.7/32",
		},
		"a zone":                      {"[fe80::1%eth0]:443", nil, "fe80::/64"},
		"a network without addresses": {"pipe", nil, "invalid Prefix"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: c.peer, Header: http.Header{"X-Forwarded-For": c.forwarded}}
			require.Equal(t, c.want, gateway.AddressOf(r, trusted).String())
		})
	}
}
