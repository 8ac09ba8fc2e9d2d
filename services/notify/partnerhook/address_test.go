package partnerhook

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Of each range the first and the last address, and those on either side, where these are public.
func TestRefusedAddress(t *testing.T) {
	for _, test := range []struct {
		what    string
		refused []string
		public  []string
		lab     bool // AllowPrivate lets them pass
	}{
		{what: "this host", refused: []string{"0.0.0.0", "0.255.255.255"}, public: []string{"1.0.0.0"}},
		{
			what: "private", lab: true,
			refused: []string{"10.0.0.0", "10.255.255.255"},
			public:  []string{"9.255.255.255", "11.0.0.0"},
		},
		{
			what:    "carriers",
			refused: []string{"100.64.0.0", "100.100.100.200", "100.127.255.255"},
			public:  []string{"100.63.255.255", "100.128.0.0"},
		},
		{
			what: "loopback", lab: true,
			refused: []string{"127.0.0.0", "127.0.0.1", "127.255.255.255"},
			public:  []string{"126.255.255.255", "128.0.0.0"},
		},
		{what: "Azure's own", refused: []string{"168.63.129.16"}, public: []string{"168.63.129.15", "168.63.129.17"}},
		{
			what:    "link-local",
			refused: []string{"169.254.0.0", "169.254.169.254", "169.254.255.255"},
			public:  []string{"169.253.255.255", "169.255.0.0"},
		},
		{
			what: "private", lab: true,
			refused: []string{"172.16.0.0", "172.31.255.255"},
			public:  []string{"172.15.255.255", "172.32.0.0"},
		},
		{
			what:    "protocols",
			refused: []string{"192.0.0.0", "192.0.0.192", "192.0.0.255"},
			public:  []string{"191.255.255.255", "192.0.1.0"},
		},
		{
			what:    "documentation",
			refused: []string{"192.0.2.0", "192.0.2.255"},
			public:  []string{"192.0.1.255", "192.0.3.0"},
		},
		{
			what:    "6to4",
			refused: []string{"192.88.99.0", "192.88.99.255"},
			public:  []string{"192.88.98.255", "192.88.100.0"},
		},
		{
			what: "private", lab: true,
			refused: []string{"192.168.0.0", "192.168.255.255"},
			public:  []string{"192.167.255.255", "192.169.0.0"},
		},
		{
			what:    "measurements",
			refused: []string{"198.18.0.0", "198.19.255.255"},
			public:  []string{"198.17.255.255", "198.20.0.0"},
		},
		{
			what:    "documentation",
			refused: []string{"198.51.100.0", "198.51.100.255"},
			public:  []string{"198.51.99.255", "198.51.101.0"},
		},
		{
			what:    "documentation",
			refused: []string{"203.0.113.0", "203.0.113.255"},
			public:  []string{"203.0.112.255", "203.0.114.0"},
		},
		{what: "multicast", refused: []string{"224.0.0.0", "239.255.255.255"}, public: []string{"223.255.255.255"}},
		{what: "reserved", refused: []string{"240.0.0.0", "255.255.255.254"}},
		{what: "broadcast", refused: []string{"255.255.255.255"}},
		{what: "unspecified", refused: []string{"::"}},
		{what: "loopback", lab: true, refused: []string{"::1"}},
		{what: "IPv4-compatible", refused: []string{"::2", "::7f00:1", "::5db8:d822"}},
		{
			what: "IPv4-mapped, private", lab: true,
			refused: []string{"::ffff:127.0.0.1", "::ffff:10.0.0.1"},
		},
		{
			what:    "IPv4-mapped, link-local",
			refused: []string{"::ffff:169.254.169.254"},
			public:  []string{"::ffff:93.184.216.34"},
		},
		{what: "IPv4-translated", refused: []string{"::ffff:0:127.0.0.1"}},
		{
			what:    "NAT64",
			refused: []string{"64:ff9b::127.0.0.1", "64:ff9b::93.184.216.34", "64:ff9b:1::1", "64:ff9b:1:ffff::"},
		},
		{what: "discard", refused: []string{"100::", "100::ffff"}},
		{
			what:    "outside of what is given out",
			refused: []string{"1fff:ffff::", "4000::", "5f00::1"},
			public:  []string{"2000::"},
		},
		{what: "Teredo", refused: []string{"2001::", "2001:0:ffff::"}},
		{
			what:    "protocols",
			refused: []string{"2001:2::1", "2001:20::1", "2001:1ff:ffff::"},
			public:  []string{"2001:200::"},
		},
		{
			what:    "documentation",
			refused: []string{"2001:db8::", "2001:db8:ffff::"},
			public:  []string{"2001:db7::", "2001:db9::"},
		},
		{what: "6to4", refused: []string{"2002:7f00:1::", "2002:ffff::"}, public: []string{"2003::"}},
		{
			what:    "documentation",
			refused: []string{"3fff::", "3fff:fff:ffff::"},
			public:  []string{"3ffe::", "3fff:1000::"},
		},
		{what: "private", lab: true, refused: []string{"fc00::", "fd00:ec2::254", "fdff::"}},
		{what: "link-local", refused: []string{"fe80::1", "fe80::1%eth0", "febf::"}},
		{what: "site-local", refused: []string{"fec0::1"}},
		{what: "multicast", refused: []string{"ff00::", "ff02::1", "ffff::"}},
		{what: "of a link", refused: []string{"2606:2800:220:1::1%eth0"}, public: []string{"2606:2800:220:1::1"}},
	} {
		t.Run(test.what+" "+test.refused[0], func(t *testing.T) {
			for _, text := range test.refused {
				address := netip.MustParseAddr(text)
				require.NotEmpty(t, refusedAddress(address, false), text)
				require.Equal(t, test.lab, refusedAddress(address, true) == "", text)
			}
			for _, text := range test.public {
				require.Empty(t, refusedAddress(netip.MustParseAddr(text), false), text)
				require.Empty(t, refusedAddress(netip.MustParseAddr(text), true), text)
			}
		})
	}
	require.NotEmpty(t, refusedAddress(netip.Addr{}, true))
}

// What the standard library knows of is refused as well, so that neither list is shorter.
func TestRefusedAddress_AsTheStandardLibrary(t *testing.T) {
	for high := range 1 << 16 {
		address := netip.AddrFrom4([4]byte{byte(high >> 8), byte(high), 1, 1})
		if !address.IsGlobalUnicast() || address.IsPrivate() {
			require.NotEmpty(t, refusedAddress(address, false), address)
		}
		six := netip.AddrFrom16([16]byte{byte(high >> 8), byte(high), 15: 1})
		if !six.IsGlobalUnicast() || six.IsPrivate() {
			require.NotEmpty(t, refusedAddress(six, false), six)
		}
	}
}

func TestDial(t *testing.T) {
	const other = "93.184.216.35"
	for _, test := range []struct {
		name   string
		found  []string
		called []string // none: ErrTarget
	}{
		{name: "public", found: []string{publicIP}, called: []string{publicIP}},
		{name: "private beside public", found: []string{"10.0.0.1", publicIP, "127.0.0.1"}, called: []string{publicIP}},
		{name: "public beside private", found: []string{publicIP, "10.0.0.1"}, called: []string{publicIP}},
		{name: "as the resolver writes IPv4", found: []string{"::ffff:" + publicIP}, called: []string{publicIP}},
		{name: "private alone", found: []string{"10.0.0.1", "fd00::1", "169.254.169.254"}},
		{name: "private, as the resolver writes IPv4", found: []string{"::ffff:127.0.0.1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var called []string
			d := &dialing{options: Options{Timeout: time.Minute, Resolver: at(test.found)}, connect: func(
				_ context.Context, _, address string,
			) (net.Conn, error) {
				called = append(called, address)
				return nil, net.ErrClosed
			}}
			_, err := d.dial(t.Context(), "tcp", "partner.com:443")
			if len(test.called) == 0 {
				require.ErrorIs(t, err, ErrTarget)
				require.Empty(t, called)
				return
			}
			require.ErrorIs(t, err, net.ErrClosed)
			require.NotErrorIs(t, err, ErrTarget)
			for i := range test.called {
				test.called[i] += ":443"
			}
			require.Equal(t, test.called, called)
		})
	}
	t.Run("a dead address leaves time to the next", func(t *testing.T) {
		net1, net2 := net.Pipe()
		defer net2.Close()
		d := &dialing{options: Options{Timeout: time.Second, Resolver: at([]string{publicIP, other})}, connect: func(
			ctx context.Context, _, address string,
		) (net.Conn, error) {
			if strings.HasPrefix(address, other) {
				return net1, ctx.Err()
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		conn, err := d.dial(t.Context(), "tcp", "partner.com:443")
		require.NoError(t, err)
		require.NoError(t, conn.Close())
	})
	t.Run("a hundred addresses", func(t *testing.T) {
		many := make([]string, 100)
		for i := range many {
			many[i] = publicIP
		}
		calls := 0
		d := &dialing{options: Options{Timeout: time.Minute, Resolver: at(many)}, connect: func(
			context.Context, string, string,
		) (net.Conn, error) {
			calls++
			return nil, net.ErrClosed
		}}
		_, err := d.dial(t.Context(), "tcp", "partner.com:443")
		require.Error(t, err)
		require.Equal(t, maxAddresses, calls)
	})
}

// A name that is public at first and private at the next look-up never leads inside: one look-up is judged, and the
// connection goes to what was judged.
func TestPost_NameChanges(t *testing.T) {
	resolver := at([]string{publicIP}, []string{"127.0.0.1"}, []string{"10.0.0.1"}, []string{publicIP})
	o := Options{Timeout: time.Minute, Resolver: resolver}
	var called []string
	sender := newSender(o, func(_ context.Context, _, address string) (net.Conn, error) {
		called = append(called, address)
		return nil, net.ErrClosed
	})
	t.Cleanup(sender.Close)
	for i, inside := range []bool{false, true, true, false} {
		_, err := post(t, sender)
		require.Error(t, err)
		require.Len(t, resolver.names, i+1, "one look-up for each attempt")
		if inside {
			require.ErrorIs(t, err, ErrTarget)
		} else {
			require.NotErrorIs(t, err, ErrTarget)
		}
	}
	require.Equal(t, []string{publicIP + ":443", publicIP + ":443"}, called)
	require.Equal(t, "example.com.", resolver.names[0], "no search list may complete it")
}

// The socket's own check refuses what the code before it might have let through.
func TestDialer_Control(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer listener.Close()
	to := listener.Addr().String()
	_, err = newDialer(&Options{}).DialContext(t.Context(), "tcp", to)
	require.ErrorIs(t, err, ErrTarget)
	_, err = newDialer(&Options{}).DialContext(t.Context(), "tcp",
		strings.Replace(to, "127.0.0.1", "[::ffff:127.0.0.1]", 1))
	require.ErrorIs(t, err, ErrTarget)
	conn, err := newDialer(&Options{AllowPrivate: true}).DialContext(t.Context(), "tcp", to)
	require.NoError(t, err)
	require.NoError(t, conn.Close())
}
