package identity

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/golang-jwt/jwt/v5"

	"interlock/services/rail"
)

const (
	// DefaultLeeway is how far an issuer's clock may be from ours: NTP keeps within a second, a server that has lost it
	// drifts a few seconds a day.
	DefaultLeeway = 30 * time.Second
	// maxLeeway is where forgiving a clock becomes honouring dead tokens.
	maxLeeway = 5 * time.Minute
	// discoveryRetry is how long after a failed discovery the next is tried: an issuer that is starting is not hammered,
	// and once it is there nobody waits long.
	discoveryRetry = 2 * time.Second
)

// algorithms are those by which whoever can check a token cannot make one.
var algorithms = []string{
	oidc.RS256, oidc.RS384, oidc.RS512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.ES256, oidc.ES384, oidc.ES512, oidc.EdDSA,
}

// IssuerOptions say whose tokens are taken.
type IssuerOptions struct {
	// Issuer is the issuer's URL, exactly as in its tokens. https, or http on loopback.
	Issuer string
	// Audience is this service's name at the issuer; without it, a token made for any other service would open this one.
	Audience string
	// KeysURL is where the issuer publishes its keys (a JWKS document); "" asks the issuer's discovery document.
	KeysURL string
	// RolesClaim is where the roles are, dots leading inwards; "" is DefaultRolesClaim.
	RolesClaim string
	// Leeway is how far the clocks may be apart, at most 5 minutes; 0 is DefaultLeeway.
	Leeway time.Duration
	// Transport carries the requests to the issuer; nil is http.DefaultTransport.
	Transport http.RoundTripper
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Issuer takes the tokens of one OpenID Connect issuer. It asks the issuer nothing until the first token comes, keeps
// the keys it was told, and asks for new ones when a token names a key it does not know or the keys grow old. An issuer
// that is down stops nobody whose key is known.
type Issuer struct {
	options IssuerOptions
	client  *http.Client
	reading reading

	mu sync.Mutex
	// verifier is nil until the issuer was discovered.
	verifier *oidc.IDTokenVerifier
	// discovering is closed when the discovery that is under way has ended; nil when none is.
	discovering chan struct{}
	failed      error
	failedAt    time.Time
}

// NewIssuer checks the options, and makes no request.
func NewIssuer(o IssuerOptions) (*Issuer, error) {
	if err := checkURL("issuer", o.Issuer); err != nil {
		return nil, err
	}
	if o.KeysURL != "" {
		if err := checkURL("keys", o.KeysURL); err != nil {
			return nil, err
		}
	}
	if o.Audience == "" {
		return nil, errors.New("an issuer needs an audience: without it, tokens made for other services would be taken")
	}
	if o.Leeway < 0 || o.Leeway > maxLeeway {
		return nil, fmt.Errorf("the leeway is between 0 and %s, not %s", maxLeeway, o.Leeway)
	}
	if o.Leeway == 0 {
		o.Leeway = DefaultLeeway
	}
	if o.RolesClaim == "" {
		o.RolesClaim = DefaultRolesClaim
	}
	if o.Transport == nil {
		o.Transport = http.DefaultTransport
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	i := &Issuer{
		options: o,
		client:  &http.Client{Transport: &courier{next: o.Transport}, Timeout: fetchTimeout, CheckRedirect: refuseRedirect},
		reading: reading{now: o.Now, leeway: o.Leeway, rolesClaim: o.RolesClaim},
	}
	if o.KeysURL != "" {
		i.verifier = i.verifierFor(o.KeysURL)
	}
	return i, nil
}

// checkURL takes https anywhere, and plain http only where nobody can listen in between.
func checkURL(what, text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil || u.Fragment != "" {
		return fmt.Errorf("the %s URL %q is not a URL like https://login.example.com", what, text)
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "https" ||
		u.Scheme == "http" && (u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()) {
		return nil
	}
	return fmt.Errorf("the %s URL %q is not https: whoever is between could send keys of their own", what, text)
}

// refuseRedirect keeps to the places that the settings and the issuer's own document name.
func refuseRedirect(*http.Request, []*http.Request) error {
	return errors.New("redirects are not followed")
}

// verifierFor is a verifier with the keys at a URL. Times and subject are checked by reading, as for any token.
func (i *Issuer) verifierFor(keysURL string) *oidc.IDTokenVerifier {
	return oidc.NewVerifier(i.options.Issuer, newKeys(i.client, keysURL, i.options.Now), &oidc.Config{
		ClientID:             i.options.Audience,
		SupportedSigningAlgs: algorithms,
		SkipExpiryCheck:      true,
	})
}

// Verify implements Verifier.
func (i *Issuer) Verify(ctx context.Context, token string) (*rail.Viewer, error) {
	if err := checkForm(token); err != nil {
		return nil, err
	}
	verifier, err := i.discover(ctx)
	if err != nil {
		return nil, unavailable(err)
	}
	// The library flattens what the keys answered into text; the note keeps why no key could be had.
	note := &keyNote{}
	checked, err := verifier.Verify(context.WithValue(ctx, keyNoteKey{}, note), token)
	switch {
	case err != nil && note.unavailable != nil:
		return nil, unavailable(note.unavailable)
	case err != nil:
		return nil, refuse("the token is not valid", err)
	}
	claims := jwt.MapClaims{}
	if err := checked.Claims(&claims); err != nil {
		return nil, refuse("the token is not valid", err)
	}
	return i.reading.viewer(claims)
}

// Ready says why tokens cannot be checked yet; nil where they can.
func (i *Issuer) Ready(ctx context.Context) error {
	if _, err := i.discover(ctx); err != nil {
		return unavailable(err)
	}
	return nil
}

func unavailable(cause error) *rail.Error {
	return &rail.Error{
		Code: rail.Unavailable, Message: "the token's issuer cannot be asked just now", RetryAfter: discoveryRetry, Cause: cause,
	}
}

// discover gives the verifier, and finds the issuer's keys first where that was not done yet. One request is under way
// at a time, whoever waits for it; it does not end with the caller that happened to start it.
func (i *Issuer) discover(ctx context.Context) (*oidc.IDTokenVerifier, error) {
	for {
		i.mu.Lock()
		if i.verifier != nil {
			defer i.mu.Unlock()
			return i.verifier, nil
		}
		if i.discovering == nil {
			if i.failed != nil && i.options.Now().Sub(i.failedAt) < discoveryRetry {
				defer i.mu.Unlock()
				return nil, i.failed
			}
			i.discovering = make(chan struct{})
			go i.ask(context.WithoutCancel(ctx), i.discovering)
		}
		done := i.discovering
		i.mu.Unlock()
		select {
		case <-done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// ask reads the discovery document. The client's time-out bounds it.
func (i *Issuer) ask(ctx context.Context, done chan struct{}) {
	defer close(done)
	keysURL, err := i.keysURL(ctx)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.discovering = nil
	if err != nil {
		i.failed, i.failedAt = err, i.options.Now()
		return
	}
	i.verifier = i.verifierFor(keysURL)
}

func (i *Issuer) keysURL(ctx context.Context) (string, error) {
	provider, err := oidc.NewProvider(oidc.ClientContext(ctx, i.client), i.options.Issuer)
	if err != nil {
		return "", err
	}
	var document struct {
		KeysURL string `json:"jwks_uri"`
	}
	if err := provider.Claims(&document); err != nil {
		return "", err
	}
	return document.KeysURL, checkURL("keys", document.KeysURL)
}
