package smtpmail_test

import (
	"net/mail"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"interlock/services/notify/smtpmail"
)

func TestCheckAddress(t *testing.T) {
	long := strings.Repeat("a", 63) + "."
	for text, want := range map[string]string{
		"anna@example.com":                   "anna@example.com",
		"  Anna.B+x@Example.COM ":            "Anna.B+x@example.com",
		"a@例子.中国":                            "a@xn--fsqu00a.xn--fiqs8s",
		"a@例子。中国":                            "a@xn--fsqu00a.xn--fiqs8s",
		"a@BÜCHER.example":                   "a@xn--bcher-kva.example",
		"a@straße.example":                   "a@xn--strae-oqa.example",
		"a@xn--bcher-kva.example":            "a@xn--bcher-kva.example",
		"!#$%&'*+-/=?^_`{|}~@1a.example":     "!#$%&'*+-/=?^_`{|}~@1a.example",
		strings.Repeat("a", 64) + "@b.cd":    strings.Repeat("a", 64) + "@b.cd",
		"a@" + strings.Repeat(long, 3) + "b": "a@" + strings.Repeat(long, 3) + "b",
	} {
		got, err := smtpmail.CheckAddress(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
		again, err := smtpmail.CheckAddress(got)
		require.NoError(t, err)
		require.Equal(t, got, again)
	}
	for _, text := range []string{
		"", "anna", "@example.com", "anna@", "a@b@example.com", "Anna <anna@example.com>", "<anna@example.com>",
		"anna@example.com,b@example.com", "anna@example.com b@example.com", "anna@example.com\r\nBcc: b@example.com",
		"anna@example.com\n", "\tanna@example.com", "an\x00na@example.com", "an na@example.com", `"an na"@example.com`,
		`"a> ORCPT=b"@example.com`, "anna(comment)@example.com", ".anna@example.com", "an..na@example.com",
		"anna.@example.com", "anna@localhost", "anna@example.com.", "anna@.example.com", "anna@ex..com",
		"anna@[127.0.0.1]", "anna@127.0.0.1", "anna@-a.example", "anna@a-.example", "anna@a_b.example",
		"anna@exam\u202eple.com", "an\u202ena@example.com", "anna\u200b@example.com", "用户@example.com",
		"anna＠example.com", "anna@xn--a.example", "anna@ex\u00ad\u0000.com", "\xff@example.com", "a@\xff.com",
		strings.Repeat("a", 65) + "@example.com", "a@" + strings.Repeat(long, 3) + strings.Repeat("b", 63),
		"a@" + strings.Repeat("a", 64) + ".com", strings.Repeat("a", 1<<20), "a@" + strings.Repeat("票.", 1<<16) + "cn",
	} {
		got, err := smtpmail.CheckAddress(text)
		require.Error(t, err, "%.60q gave %q", text, got)
		require.Empty(t, got)
		require.NotContains(t, err.Error(), "anna@example.com.")
	}
}

func TestCheckAddress_WhatIsTakenIsOneAddress(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(
			rapid.String(),
			rapid.StringMatching(`[a-z."<> ,@\r\n]{0,12}@[a-zü中.\-]{1,20}`),
		).Draw(t, "text")
		got, err := smtpmail.CheckAddress(text)
		if err != nil {
			return
		}
		for i := range len(got) {
			require.True(t, got[i] > ' ' && got[i] <= '~')
		}
		require.NotContains(t, got, `"`)
		require.LessOrEqual(t, len(got), 254)
		one, err := mail.ParseAddressList(got)
		require.NoError(t, err)
		require.Equal(t, []*mail.Address{{Address: got}}, one)
	})
}
