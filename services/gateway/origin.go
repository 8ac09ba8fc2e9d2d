package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/rs/cors"
)

// origins are the web origins that may use the API, besides the server's own.
type origins struct {
	any   bool
	named map[string]bool
}

func parseOrigins(list []string) (origins, error) {
	o := origins{named: map[string]bool{}}
	for _, text := range list {
		if text == "*" {
			o.any = true
			continue
		}
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil ||
			strings.TrimSuffix(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
			return origins{}, fmt.Errorf("%q is not an origin like https://tickets.example.com", text)
		}
		o.named[strings.ToLower(u.Scheme+"://"+u.Host)] = true
	}
	return o, nil
}

// allows tells whether a page of the origin may use the API at the host. The scheme of the server's own origin is not
// compared: behind a proxy that ends TLS, the server does not know it.
func (o origins) allows(origin, host string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		// Sandboxed and local pages send "null". Any site can make one.
		return false
	}
	return o.any || strings.EqualFold(u.Host, host) || o.named[strings.ToLower(origin)]
}

// newCORS tells browsers what pages of the allowed origins may do. The API has no cookies, so it allows no credentials.
// A page may send any header: clients and tracers add their own, and a program that is no browser sends what it likes
// anyway.
func newCORS(allowed origins) *cors.Cors {
	return cors.New(cors.Options{
		AllowOriginVaryRequestFunc: func(r *http.Request, origin string) (bool, []string) {
			return allowed.allows(origin, r.Host), nil
		},
		AllowedMethods: []string{http.MethodGet, http.MethodPost},
		AllowedHeaders: []string{"*"},
		ExposedHeaders: []string{"Retry-After", "RateLimit", "RateLimit-Policy", "X-Request-Id"},
		MaxAge:         int(preflightAge.Seconds()),
	})
}

// admit answers preflights and refuses foreign pages. It returns whether the request goes on. The API has no cookies,
// so a foreign page cannot act as its visitor; but it could have its visitors' browsers work for it. A browser tells
// where a request comes from by Origin or, where it sends none (a GET for an image or a link), by Sec-Fetch-Site. A
// client that sends neither is no browser, or one so old that without cookies it does no harm.
func (g *Gateway) admit(w http.ResponseWriter, r *http.Request) bool {
	if !g.origins.admits(r) {
		w.Header().Add("Vary", "Origin")
		g.refuse(w, r, http.StatusForbidden, forbiddenOrigin)
		return false
	}
	if r.Method != http.MethodOptions {
		g.cors.HandlerFunc(w, r)
		return true
	}
	w.Header().Set("Allow", allowedMethods)
	if r.Header.Get("Access-Control-Request-Method") == "" {
		// It is no preflight. The library would take it for a request that goes on.
		w.WriteHeader(http.StatusNoContent)
		return false
	}
	if !fewHeaders(r.Header.Values("Access-Control-Request-Headers")) {
		g.refuse(w, r, http.StatusBadRequest, badRequestHeaders)
		return false
	}
	g.cors.HandlerFunc(w, r)
	return false
}

// fewHeaders tells whether the lists of a preflight name headers within bounds. The response repeats them.
func fewHeaders(lists []string) bool {
	names := 0
	for _, list := range lists {
		for name := range strings.SplitSeq(list, ",") {
			if names++; names > maxRequestHeaders || len(strings.TrimSpace(name)) > maxHeaderNameBytes {
				return false
			}
		}
	}
	return true
}

// admits tells whether a request may come from where it says it does.
func (o origins) admits(r *http.Request) bool {
	switch from := r.Header.Values("Origin"); len(from) {
	case 0:
		site := r.Header.Get("Sec-Fetch-Site")
		return site != "cross-site" && site != "same-site"
	case 1:
		return o.allows(from[0], r.Host)
	}
	// A browser sends one, and a response can allow only one.
	return false
}

const allowedMethods = "GET, POST, OPTIONS"
