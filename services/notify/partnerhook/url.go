package partnerhook

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// MaxURL bounds a target's URL, in bytes.
const MaxURL = 2048

// ErrTarget is in an error about an address that is refused. Another attempt is refused again, unless its name stands
// for another address by then.
var ErrTarget = errors.New("the address of the webhook is refused")

func refused(format string, values ...any) error {
	return fmt.Errorf("%w: %s", ErrTarget, fmt.Sprintf(format, values...))
}

const (
	httpsPort = 443
	// firstFreePort is where the ports begin that an unprivileged server may have. Below it, only HTTPS is called.
	firstFreePort = 1024
)

// names are looked up as browsers do (UTS #46), with lower case, and "xn--" for what is not ASCII.
var names = idna.New(idna.MapForLookup(), idna.Transitional(false), idna.BidiRule(), idna.StrictDomainName(true),
	idna.VerifyDNSLength(true))

// localNames are the ends of names that no public server has: RFC 6761, 6762, 7686, 8375, 9476, and ICANN's reservation
// of "internal" of 2024.
var localNames = []string{
	"localhost", "local", "internal", "home.arpa", "alt", "onion", "test", "invalid", "example",
}

// CheckURL returns the URL of a target in one form: lower case, "xn--" for a name that is not ASCII, no port that goes
// without saying. It is at most MaxURL bytes of https, without user info and fragment, with port 443 or one from 1024
// on. Its host is a public name, or a public address in its usual form. With allowPrivate it may be http, of any port,
// and at loopback or at a private address.
//
// The error is ErrTarget. It says what is wrong, and repeats nothing but the scheme, the host and the port.
func CheckURL(text string, allowPrivate bool) (string, error) {
	if len(text) > MaxURL {
		return "", refused("it has %d bytes, and at most %d are taken", len(text), MaxURL)
	}
	u, err := url.Parse(escape(text))
	if err != nil || !utf8.ValidString(text) || !utf8.ValidString(u.Host) || u.Opaque != "" || u.Host == "" {
		return "", refused("it is no URL of the form https://host/path")
	}
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !allowPrivate):
		return "", refused("its scheme is not https")
	case u.User != nil:
		return "", refused("it has a user name or a password")
	case strings.Contains(text, "#"):
		return "", refused("it has a fragment")
	}
	host, err := checkHost(u.Hostname(), allowPrivate)
	if err != nil {
		return "", err
	}
	port, err := checkPort(u, allowPrivate)
	if err != nil {
		return "", err
	}
	u.Host = host + port
	if u.Path == "" {
		u.Path = "/"
	}
	u.ForceQuery = false
	checked := u.String()
	if len(checked) > MaxURL {
		return "", refused("it has %d bytes once it is written out, and at most %d are taken", len(checked), MaxURL)
	}
	return checked, nil
}

// escape writes with % what a path and a query cannot have as it is. What has a % already stays so: url.Parse makes one
// of "%2F" and "/" where a path has both "%2F" and "ü".
func escape(text string) string {
	start := strings.Index(text, "://") + len("://")
	end := strings.IndexAny(text[min(start, len(text)):], "/?#")
	if end < 0 {
		return text
	}
	var escaped strings.Builder
	escaped.WriteString(text[:start+end])
	for _, c := range []byte(text[start+end:]) {
		isPlain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		// url.Parse refuses control characters.
		if isPlain || c < ' ' || c == 0x7f || strings.IndexByte("-._~!$&'()*+,;=:@/?%#[]", c) >= 0 {
			escaped.WriteByte(c)
		} else {
			fmt.Fprintf(&escaped, "%%%02X", c)
		}
	}
	return escaped.String()
}

// checkPort returns ":" and the port, or "" for that of the scheme.
func checkPort(u *url.URL, allowPrivate bool) (string, error) {
	text := u.Port()
	if text == "" {
		return "", nil
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return "", refused("it has no port from 1 to 65535")
	}
	if port != httpsPort && port < firstFreePort && !allowPrivate {
		return "", refused("its port is %d, and only %d and those from %d on are called", port, httpsPort,
			firstFreePort)
	}
	if u.Scheme == "https" && port == httpsPort || u.Scheme == "http" && port == 80 {
		return "", nil
	}
	return ":" + strconv.FormatUint(port, 10), nil
}

// checkHost returns a host as a URL has it.
func checkHost(host string, allowPrivate bool) (string, error) {
	if strings.Contains(host, ":") {
		return checkIPv6(host, allowPrivate)
	}
	host, err := names.ToASCII(strings.TrimSuffix(host, "."))
	// The "xn--" form of some names is no name itself.
	if again, err2 := names.ToASCII(host); err != nil || err2 != nil || again != host {
		return "", refused("its host is no name that can be looked up")
	}
	// The mapping makes an ASCII full stop of every other kind of one.
	labels := strings.Split(host, ".")
	if isNumber(labels[len(labels)-1]) {
		return checkIPv4(host, allowPrivate)
	}
	if allowPrivate {
		return host, nil
	}
	if len(labels) == 1 && host != "localhost" {
		return "", refused("%s is no public name: it has no full stop", host)
	}
	if i := slices.IndexFunc(localNames, func(end string) bool {
		return host == end || strings.HasSuffix(host, "."+end)
	}); i >= 0 {
		return "", refused("%s is no public name: nothing public ends in %s", host, localNames[i])
	}
	return host, nil
}

func checkIPv6(host string, allowPrivate bool) (string, error) {
	address, err := netip.ParseAddr(host)
	if err != nil {
		return "", refused("its host is no IPv6 address")
	}
	if address.Is4In6() {
		return "", refused("%s is an IPv4 address in the form of another kind", address)
	}
	if why := refusedAddress(address, allowPrivate); why != "" {
		return "", refused("%s is %s", address, why)
	}
	return "[" + address.String() + "]", nil
}

// checkIPv4 takes four decimal numbers alone. The C library takes 0177.1 and 2130706433 for 127.0.0.1 as well.
func checkIPv4(host string, allowPrivate bool) (string, error) {
	address, err := netip.ParseAddr(host)
	if err != nil || !address.Is4() {
		return "", refused("%s is no IPv4 address of four decimal numbers", host)
	}
	if why := refusedAddress(address, allowPrivate); why != "" {
		return "", refused("%s is %s", address, why)
	}
	return host, nil
}

// isNumber tells whether a host that ends in this label is an IPv4 address to some (WHATWG URL, "ends in a number").
func isNumber(label string) bool {
	if strings.Trim(label, "0123456789") == "" {
		return true
	}
	digits, isHex := strings.CutPrefix(label, "0x")
	return isHex && strings.Trim(digits, "0123456789abcdef") == ""
}

// hostOf is the host of what net/http dials, and its port.
func hostOf(address string) (host, port string, err error) {
	if host, port, err = net.SplitHostPort(address); err != nil {
		return "", "", refused("it has no host and port")
	}
	return host, port, nil
}
