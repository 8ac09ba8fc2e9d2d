package identity_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"interlock/services/identity"
	"interlock/services/rail"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	secret = []byte("0123456789abcdef0123456789abcdef")
	noon   = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
)

func development(t testing.TB) *identity.Development {
	t.Helper()
	d, err := identity.NewDevelopment(secret)
	require.NoError(t, err)
	d.Now = func() time.Time { return noon }
	return d
}

func sign(t *testing.T, key []byte, claims jwt.MapClaims) string {
	t.Helper()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(key)
	require.NoError(t, err)
	return token
}

// refused checks that a token is refused with a message, and that the message says nothing else.
func refused(t *testing.T, v identity.Verifier, token, message string) {
	t.Helper()
	viewer, err := v.Verify(t.Context(), token)
	require.Nil(t, viewer)
	var known *rail.Error
	require.ErrorAs(t, err, &known)
	require.Equal(t, rail.Unauthenticated, known.Code)
	require.Equal(t, message, known.Message)
}

func TestDevelopment_IssueAndVerify(t *testing.T) {
	d := development(t)
	token, err := d.Issue("alice", []rail.Role{rail.RolePassenger, rail.RoleAdmin}, time.Hour)
	require.NoError(t, err)
	viewer, err := d.Verify(t.Context(), token)
	require.NoError(t, err)
	require.Equal(t, "alice", viewer.Subject)
	require.Equal(t, []rail.Role{rail.RolePassenger, rail.RoleAdmin}, viewer.Roles)
	require.True(t, viewer.Expires.Equal(noon.Add(time.Hour)))

	d.Now = func() time.Time { return noon.Add(time.Hour - time.Second) }
	_, err = d.Verify(t.Context(), token)
	require.NoError(t, err)
	d.Now = func() time.Time { return noon.Add(time.Hour) }
	refused(t, d, token, "the token has expired")
}

func TestDevelopment_IssueRefuses(t *testing.T) {
	d := development(t)
	for _, subject := range []string{"", "two words", "zoë", "tab\t", strings.Repeat("x", 129)} {
		_, err := d.Issue(subject, nil, time.Hour)
		require.Equal(t, rail.Invalid, rail.CodeOf(err), subject)
	}
	_, err := d.Issue("alice", []rail.Role{"KING"}, time.Hour)
	require.Equal(t, rail.Invalid, rail.CodeOf(err))
	_, err = d.Issue("alice", nil, 0)
	require.Equal(t, rail.Invalid, rail.CodeOf(err))
	_, err = identity.NewDevelopment(secret[:31])
	require.Error(t, err)
}

func TestDevelopment_Refuses(t *testing.T) {
	d := development(t)
	later := noon.Add(time.Hour).Unix()
	good := sign(t, secret, jwt.MapClaims{"sub": "alice", "exp": later})
	_, err := d.Verify(t.Context(), good)
	require.NoError(t, err)
	parts := strings.Split(good, ".")

	with := func(header string) string {
		head := base64.RawURLEncoding.EncodeToString([]byte(header))
		mac, err := jwt.SigningMethodHS256.Sign(head+"."+parts[1], secret)
		require.NoError(t, err)
		return head + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(mac)
	}
	forgedClaims, err := json.Marshal(map[string]any{"sub": "root", "exp": later, "roles": []string{"ADMIN"}})
	require.NoError(t, err)
	hs512, err := jwt.NewWithClaims(jwt.SigningMethodHS512, jwt.MapClaims{"sub": "alice", "exp": later}).
		SignedString(secret)
	require.NoError(t, err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	es256, err := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.MapClaims{"sub": "alice", "exp": later}).
		SignedString(key)
	require.NoError(t, err)

	const invalid = "the token is not valid"
	const subject = "the token's subject (sub) is not 1 to 128 printable ASCII characters without spaces"
	for name, c := range map[string]struct{ token, message string }{
		"empty":   {"", invalid},
		"rubbish": {"a.b.c", invalid},
		"another secret": {sign(t, []byte(strings.Repeat("x", 32)),
			jwt.MapClaims{"sub": "alice", "exp": later}), invalid},
		"other claims": {
			parts[0] + "." + base64.RawURLEncoding.EncodeToString(forgedClaims) + "." + parts[2], invalid,
		},
		"no signature": {parts[0] + "." + parts[1] + ".", invalid},
		"alg none": {
			base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + parts[1] + ".", invalid,
		},
		"alg None, signed": {with(`{"alg":"None"}`), invalid},
		"alg missing":      {with(`{"typ":"JWT"}`), invalid},
		"HS512":            {hs512, invalid},
		"ES256":            {es256, invalid},
		"critical header":  {with(`{"alg":"HS256","crit":["b64"],"b64":false}`), invalid},
		"trailing part":    {good + ".x", invalid},
		"a line break":     {good + "\n", invalid},
		"too long":         {good + strings.Repeat("x", 20_000), "the token is too long"},
		"expired": {
			sign(t, secret, jwt.MapClaims{"sub": "alice", "exp": noon.Add(-time.Second).Unix()}),
			"the token has expired",
		},
		"expires now": {
			sign(t, secret, jwt.MapClaims{"sub": "alice", "exp": noon.Unix()}), "the token has expired",
		},
		"not valid yet": {sign(t, secret, jwt.MapClaims{
			"sub": "alice", "exp": later, "nbf": noon.Add(time.Second).Unix(),
		}), "the token is not valid yet"},
		"no expiry": {sign(t, secret, jwt.MapClaims{"sub": "alice"}), "the token has no expiry (exp)"},
		"expiry is text": {
			sign(t, secret, jwt.MapClaims{"sub": "alice", "exp": "tomorrow"}), "the token's times are not numbers",
		},
		"no subject":             {sign(t, secret, jwt.MapClaims{"exp": later}), subject},
		"subject is a number":    {sign(t, secret, jwt.MapClaims{"exp": later, "sub": 7}), subject},
		"subject with a space":   {sign(t, secret, jwt.MapClaims{"exp": later, "sub": "alice "}), subject},
		"subject not ASCII":      {sign(t, secret, jwt.MapClaims{"exp": later, "sub": "北京"}), subject},
		"subject with a newline": {sign(t, secret, jwt.MapClaims{"exp": later, "sub": "a\nb"}), subject},
		"subject too long": {
			sign(t, secret, jwt.MapClaims{"exp": later, "sub": strings.Repeat("x", 129)}), subject,
		},
	} {
		t.Run(name, func(t *testing.T) { refused(t, d, c.token, c.message) })
	}
}

func TestDevelopment_Roles(t *testing.T) {
	d := development(t)
	for name, c := range map[string]struct {
		claim any
		roles []rail.Role
	}{
		"a list":           {[]string{"PASSENGER", "ADMIN"}, []rail.Role{rail.RolePassenger, rail.RoleAdmin}},
		"one text":         {"ADMIN", []rail.Role{rail.RoleAdmin}},
		"text with spaces": {"openid admin passenger", []rail.Role{rail.RoleAdmin, rail.RolePassenger}},
		"others too":       {[]any{"superuser", 5, nil, "passenger"}, []rail.Role{rail.RolePassenger}},
		"near misses":      {[]string{"ADMINS", "not-ADMIN", " ADMIN"}, nil},
		"nothing":          {nil, nil},
		"a number":         {5, nil},
	} {
		t.Run(name, func(t *testing.T) {
			viewer, err := d.Verify(t.Context(), sign(t, secret, jwt.MapClaims{
				"sub": "alice", "exp": noon.Add(time.Hour).Unix(), "roles": c.claim,
			}))
			require.NoError(t, err)
			require.Equal(t, c.roles, viewer.Roles)
		})
	}
}

func FuzzDevelopment_Verify(f *testing.F) {
	// Every worker of the fuzzer is a process that issues the token anew. By the machine's clock, workers that begin in
	// different seconds would have different tokens.
	d := development(f)
	good, err := d.Issue("alice", []rail.Role{rail.RoleAdmin}, time.Hour)
	require.NoError(f, err)
	f.Add(good)
	f.Add(good + "\n")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, token string) {
		viewer, err := d.Verify(t.Context(), token)
		if err == nil {
			require.Equal(t, good, token, "only what was issued is taken")
			require.Equal(t, "alice", viewer.Subject)
			return
		}
		require.Equal(t, rail.Unauthenticated, rail.CodeOf(err))
	})
}
