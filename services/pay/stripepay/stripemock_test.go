package stripepay_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/bank"
	"interlock/services/pay/paytest"
	"interlock/services/pay/stripepay"
)

// sent is a request that the adapter made.
type sent struct {
	method, path, body string
	header             http.Header
}

// recorder notes what is sent.
type recorder struct {
	http.RoundTripper
	mu  sync.Mutex
	all []sent
}

func (r *recorder) RoundTrip(request *http.Request) (*http.Response, error) {
	var body []byte
	if request.GetBody != nil {
		reader, err := request.GetBody()
		if err != nil {
			return nil, err
		}
		if body, err = io.ReadAll(reader); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	r.all = append(r.all, sent{request.Method, request.URL.RequestURI(), string(body), request.Header.Clone()})
	r.mu.Unlock()
	return r.RoundTripper.RoundTrip(request)
}

// Whatever the adapter sends in the suite has the shape that Stripe's own description asks for. stripe-mock keeps no
// state: it holds each request against the description, and answers with an example.
func TestProvider_SendsWhatStripeTakes(t *testing.T) {
	url := startStripeMock(t)
	record := &recorder{}
	paytest.RunProvider(t, func(t *testing.T) *paytest.ProviderBench {
		return onBank(t, func(_ *bank.Options, o *stripepay.Options) {
			record.RoundTripper = o.Transport
			o.Transport = record
			o.PageSlack = stripepay.StripeSlack
		})
	})
	require.Greater(t, len(record.all), 50)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	kinds := map[string]bool{}
	numbers := regexp.MustCompile(`(cs_test|pi)_\w+|nothing_of_that_name`)
	for _, s := range record.all {
		answer, status := send(t, client, url, &s)
		require.Equal(t, http.StatusOK, status, "%s %s\n%s\n%s", s.method, s.path, s.body, answer)
		path, _, _ := strings.Cut(s.path, "?")
		kinds[s.method+" "+numbers.ReplaceAllString(path, "ID")] = true
	}
	require.Equal(t, map[string]bool{
		"POST /v1/checkout/sessions": true, "GET /v1/checkout/sessions": true, "GET /v1/checkout/sessions/ID": true,
		"POST /v1/checkout/sessions/ID/expire": true, "POST /v1/payment_intents/ID/capture": true,
		"POST /v1/payment_intents/ID/cancel": true, "POST /v1/refunds": true, "GET /v1/refunds": true,
	}, kinds)

	// It does refuse: the test is worth something.
	wrong := record.all[slices.IndexFunc(record.all, func(s sent) bool { return s.method == http.MethodPost })]
	wrong.body += "&no_such_parameter=1"
	_, status := send(t, client, url, &wrong)
	require.Equal(t, http.StatusBadRequest, status)
}

func send(t *testing.T, client *http.Client, url string, s *sent) (answer string, status int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), s.method, url+s.path, strings.NewReader(s.body))
	require.NoError(t, err)
	request.Header = s.header.Clone()
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return string(body), response.StatusCode
}

// startStripeMock builds stripe-mock from its own module, and starts it.
func startStripeMock(t *testing.T) (url string) {
	t.Helper()
	if testing.Short() {
		t.Skip("it builds stripe-mock")
	}
	program := filepath.Join(t.TempDir(), "stripe-mock")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/stripe/stripe-mock")
	build.Dir = "testdata/stripemock"
	if out, err := build.CombinedOutput(); err != nil {
		if os.Getenv("INTERLOCK_REQUIRE_SERVERS") == "1" {
			t.Fatalf("stripe-mock cannot be built: %s", out)
		}
		t.Skipf("stripe-mock cannot be built: %s", out)
	}
	mock := exec.Command(program, "-http-addr", "127.0.0.1:0")
	out, err := mock.StdoutPipe()
	require.NoError(t, err)
	var wrong bytes.Buffer
	mock.Stderr = &wrong
	require.NoError(t, mock.Start())
	t.Cleanup(func() {
		require.NoError(t, mock.Process.Kill())
		var exit *exec.ExitError
		require.True(t, errors.As(mock.Wait(), &exit))
	})
	listening := regexp.MustCompile(`127\.0\.0\.1:[1-9][0-9]*`)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if address := listening.FindString(lines.Text()); address != "" {
			return "http://" + address
		}
	}
	t.Fatalf("stripe-mock does not listen: %s", wrong.String())
	return ""
}
