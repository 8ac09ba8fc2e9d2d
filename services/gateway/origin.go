package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/rs/cors"
)

// origins are those that may use the API from a browser, besides our own.
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

// allows tells whether a page of the origin may talk to the host that was asked. The scheme of our own origin is not
// compared: behind a proxy that ends TLS nobody knows it here.
func (o origins) allows(origin, host string) bool {
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		// "null" is what sandboxed and local pages send: anybody's.
		return false
	}
	return o.any || strings.EqualFold(u.Host, host) || o.named[strings.ToLower(origin)]
}

// newCORS tells browsers what pages of the allowed origins may do. There are no cookies here, so it allows no
// credentials.
func newCORS(allowed origins) *cors.Cors {
	return cors.New(cors.Options{
		AllowOriginVaryRequestFunc: func(r *http.Request, origin string) (bool, []string) {
			return allowed.allows(
				origin, r.Host), nil
		},
		AllowedMethods: []string{http.MethodGet, http.MethodPost},
		AllowedHeaders: []string{"Accept", "Authorization", "Content-Type", "X-Request-Id"},
		ExposedHeaders: []string{"Retry-After", "X-Request-Id"},
		MaxAge:         int(preflightAge.Seconds()),
	})
}

// admit answers preflights and refuses foreign pages; it tells whether to go on. There are no cookies here, so a
// foreign page could not speak for its visitor anyway; it could still make visitors' browsers work for it. Browsers say
// what a request comes from by Origin, and where they send none (a GET out of an image or a link) by Sec-Fetch-Site.
// Whoever sends neither is no browser, or one too old to matter to a door without cookies.
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
		// Not a browser's question: the library would take it for a request of its own.
		w.WriteHeader(http.StatusNoContent)
		return false
	}
	g.cors.HandlerFunc(w, r)
	return false
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
	// No browser sends two, and the answer could allow only one.
	return false
}

const allowedMethods = "GET, POST, OPTIONS"
