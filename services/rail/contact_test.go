package rail_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
)

// TestPlaceOrder_Contact holds contacts against what can be written to. What is taken is sealed with every passenger.
func TestPlaceOrder_Contact(t *testing.T) {
	long := strings.Repeat("a", 64)
	domain := strings.Repeat("b", 61) + "." + strings.Repeat("c", 61) + "." + strings.Repeat("d", 61) + ".com"
	for sent, c := range map[rail.Contact]struct {
		taken rail.Contact
		wrong string
	}{
		{Email: "anna@example.com"}:                       {taken: rail.Contact{Email: "anna@example.com"}},
		{Email: " An.na+x@EXAMPLE.Com ", Language: "ZH"}:  {taken: rail.Contact{Email: "An.na+x@example.com", Language: "zh"}},
		{Email: "ａnna＠example.com", Language: "en-gb"}:    {wrong: "email"},
		{Email: long + "@example.com", Language: "zh-cn"}: {taken: rail.Contact{Email: long + "@example.com", Language: "zh-CN"}},
		{Email: "a@xn--fiqs8s.cn"}:                        {taken: rail.Contact{Email: "a@xn--fiqs8s.cn"}},
		{Email: ""}:                                       {wrong: "email"},
		{Email: "anna"}:                                   {wrong: "email"},
		{Email: "@example.com"}:                           {wrong: "email"},
		{Email: "anna@"}:                                  {wrong: "email"},
		{Email: "anna@localhost"}:                         {wrong: "email"},
		{Email: "anna@127.0.0.1"}:                         {wrong: "email"},
		{Email: "anna@[127.0.0.1]"}:                       {wrong: "email"},
		{Email: "anna@-a.com"}:                            {wrong: "email"},
		{Email: "anna@a..com"}:                            {wrong: "email"},
		{Email: "anna@example.com."}:                      {wrong: "email"},
		{Email: "a b@example.com"}:                        {wrong: "email"},
		{Email: "Anna <anna@example.com>"}:                {wrong: "email"},
		{Email: "<anna@example.com>"}:                     {wrong: "email"},
		{Email: "a@example.com,b@example.com"}:            {wrong: "email"},
		{Email: `"a b"@example.com`}:                      {wrong: "email"},
		{Email: "a@example.com\r\nBcc: b@example.com"}:    {wrong: "email"},
		{Email: "王@example.com"}:                          {wrong: "email"},
		{Email: "a@bücher.de"}:                            {wrong: "email"},
		{Email: "a" + long + "@example.com"}:              {wrong: "email"},
		{Email: long + "@" + domain}:                      {taken: rail.Contact{Email: long + "@" + domain}},
		{Email: long + "@e" + domain}:                     {wrong: "email"},
		{Email: "a@example.com", Language: "x"}:           {wrong: "language"},
		{Email: "a@example.com", Language: "z\nh"}:        {wrong: "language"},
		{Email: "a@example.com", Language: "not a tag"}:   {wrong: "language"},
		{Email: "a@example.com", Language: strings.Repeat("en-x-a", 9)}: {
			wrong: "language",
		},
	} {
		contact := sent
		place := rail.PlaceOrder{Contact: &contact, Passengers: make([]rail.PassengerRequest, 2)}
		place.Normalize()
		_, _, err := place.Validate(&rail.Run{Train: &rail.Train{Formation: &rail.Formation{}}})
		var paths []string
		var refusals rail.Errors
		require.ErrorAs(t, err, &refusals)
		for _, one := range refusals {
			if path := strings.Join(one.Path, "."); strings.HasPrefix(path, "input.contact.") {
				paths = append(paths, path)
				require.NotContains(t, strings.ReplaceAll(one.Message, "anna@example.com", ""), "@", "it shows nothing of it")
			}
		}
		if c.wrong != "" {
			require.Equal(t, []string{"input.contact." + c.wrong}, paths, "%q", sent)
			continue
		}
		require.Empty(t, paths, "%q", sent)
		require.Equal(t, c.taken, contact)
		require.Equal(t, c.taken, place.Passengers[1].Contact)
	}
	require.Equal(t, "A***@example.com", rail.Contact{Email: "An.na@example.com"}.EmailMasked())
}
