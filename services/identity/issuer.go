package identity

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/golang-jwt/jwt/v5"

	"interlock/services/rail"
)

const (
	// DefaultLeeway is how far an issuer's clock may be from this server's. NTP keeps clocks within a second; without
	// it, a clock drifts a few seconds a day.
	DefaultLeeway = 30 * time.Second
	// maxLeeway bounds how long a token outlives its expiry.
	maxLeeway = 5 * time.Minute
	// issuerRetry is how long a client waits to try again where its token could not be checked.
	issuerRetry = 2 * time.Second
)

// algorithms are the asymmetric ones: the key that checks a token cannot make one.
var algorithms = []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}

// IssuerOptions say whose tokens are taken.
type IssuerOptions struct {
	// Issuer is the issuer's URL, exactly as in its tokens. https, or http on loopback.
	Issuer string
	// Audience is this service's name at the issuer. Without it, a token for any other service of the issuer would be
	// taken.
	Audience string
	// Clients are the client ids of the applications whose tokens are taken. An empty list is any application that the
	// issuer gives a token for the audience.
	Clients []string
	// KeysURL is where the issuer publishes its keys (a JWKS document); "" asks the issuer's discovery document.
	KeysURL string
	// RolesClaim is the claim with the roles; dots lead into objects. "" is DefaultRolesClaim.
	RolesClaim string
	// Leeway is how far the clocks may be apart, at most 5 minutes; 0 is DefaultLeeway.
	Leeway time.Duration
	// Transport carries the requests to the issuer; nil is http.DefaultTransport.
	Transport http.RoundTripper
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Failed is told why the issuer's keys could not be read, at most once in 2 s; it may be nil. Tokens whose key is
	// known are checked all the same.
	Failed func(error)
}

// Issuer takes the access tokens of one OpenID Connect issuer. It reads the issuer's keys when the first token comes,
// and again in the background when they are an hour old, or when a token names an unknown key. An issuer that is down
// or hangs does not delay tokens whose key is known, for a day.
type Issuer struct {
	options IssuerOptions
	client  *http.Client
	keys    *keys
	parser  *jwt.Parser
	reading reading
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
	if slices.Contains(o.Clients, "") {
		return nil, errors.New("a client of the issuer has a name")
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
	if o.Failed == nil {
		o.Failed = func(error) {}
	}
	i := &Issuer{
		options: o,
		client:  &http.Client{Transport: o.Transport, Timeout: fetchTimeout, CheckRedirect: refuseRedirect},
		reading: reading{
			now: o.Now, leeway: o.Leeway, rolesClaim: o.RolesClaim, issuer: o.Issuer, audience: o.Audience,
			clients: o.Clients,
		},
		parser: jwt.NewParser(jwt.WithValidMethods(algorithms), jwt.WithStrictDecoding(),
			jwt.WithoutClaimsValidation()),
	}
	i.keys = &keys{read: i.read, now: o.Now, failed: o.Failed}
	return i, nil
}

// checkURL takes https anywhere, and plain http on loopback only, where no one can listen.
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

// refuseRedirect keeps requests to the places that the settings and the issuer's own document name.
func refuseRedirect(*http.Request, []*http.Request) error {
	return errors.New("redirects are not followed")
}

// Verify implements Verifier.
func (i *Issuer) Verify(ctx context.Context, token string) (*rail.Viewer, error) {
	if err := checkForm(token); err != nil {
		return nil, err
	}
	set, err := i.keys.known(ctx)
	if err != nil {
		return nil, unavailable(err)
	}
	proven, err := i.prove(ctx, set, token)
	if errors.Is(err, errUnknownKey) {
		newer, unread := i.keys.newer(ctx, set)
		if unread != nil {
			return nil, unavailable(unread)
		}
		if newer != set {
			proven, err = i.prove(ctx, newer, token)
		}
	}
	if err != nil {
		return nil, refuse(invalidMessage, err)
	}
	return i.reading.viewer(proven)
}

// errUnknownKey says that no known key has signed the token. The issuer may have published a newer key since.
var errUnknownKey = errors.New("no known key has signed the token")

// prove checks the token's signature by one set of keys.
func (i *Issuer) prove(ctx context.Context, set *keySet, text string) (*jwt.Token, error) {
	token, err := i.parser.ParseWithClaims(text, jwt.MapClaims{}, func(token *jwt.Token) (any, error) {
		if err := checkHeader(token.Header); err != nil {
			return nil, err
		}
		return set.KeyfuncCtx(ctx)(token)
	})
	if err == nil {
		return token, nil
	}
	// A token that does not name its key was tried with all keys.
	nameless := token != nil && token.Method != nil && slices.Contains(algorithms, token.Method.Alg()) &&
		token.Header["kid"] == nil && checkHeader(token.Header) == nil
	if errors.Is(err, jwkset.ErrKeyNotFound) || nameless {
		return nil, fmt.Errorf("%w: %w", errUnknownKey, err)
	}
	return nil, err
}

// Ready returns nil where tokens can be checked, or else why they cannot.
func (i *Issuer) Ready(ctx context.Context) error {
	if _, err := i.keys.known(ctx); err != nil {
		return unavailable(err)
	}
	return nil
}

func unavailable(cause error) *rail.Error {
	return &rail.Error{
		Code: rail.Unavailable, Message: "the token's issuer cannot be asked just now", RetryAfter: issuerRetry,
		Cause: cause,
	}
}

// read fetches the issuer's keys from where the settings or its discovery document say.
func (i *Issuer) read(ctx context.Context) ([]jwkset.JWK, error) {
	keysURL := i.options.KeysURL
	if keysURL == "" {
		var err error
		if keysURL, err = i.discover(ctx); err != nil {
			return nil, err
		}
	}
	text, err := document(ctx, i.client, keysURL)
	if err != nil {
		return nil, err
	}
	return parseKeys(text)
}

// discover reads the URL of the keys out of the issuer's discovery document. It does so each time: an issuer may move
// its keys.
func (i *Issuer) discover(ctx context.Context) (string, error) {
	at := strings.TrimSuffix(i.options.Issuer, "/") + "/.well-known/openid-configuration"
	text, err := document(ctx, i.client, at)
	if err != nil {
		return "", err
	}
	var provider struct {
		Issuer  string `json:"issuer"`
		KeysURL string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(text, &provider); err != nil {
		return "", fmt.Errorf("%s is no discovery document: %w", at, err)
	}
	if provider.Issuer != i.options.Issuer {
		// OpenID Connect Discovery, 4.3: another issuer's document would let it speak for this one.
		return "", fmt.Errorf("%s speaks of the issuer %q, not %q", at, provider.Issuer, i.options.Issuer)
	}
	return provider.KeysURL, checkURL("keys", provider.KeysURL)
}
