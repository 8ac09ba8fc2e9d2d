package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"interlock/services/rail"
)

func TestRefundRules_AreThoseOf12306(t *testing.T) {
	rules, err := (&Settings{}).refundRules()
	require.NoError(t, err)
	require.Equal(t, rail.DefaultRefundRules(), rules)
}

func TestRefundRules_OfChangesAreTheirOwn(t *testing.T) {
	rules, err := (&Settings{ChangeFees: "36h 0%,0h 12.5%"}).refundRules()
	require.NoError(t, err)
	require.Equal(t, rail.DefaultRefundRules().Refund, rules.Refund)
	require.Equal(t, rail.FeeLadder{
		Steps: []rail.FeeStep{{Before: 36 * time.Hour}, {PerMille: 125}}, RoundTo: 1,
	}, rules.Change)
}

func TestRefundRules_Wrong(t *testing.T) {
	for text, says := range map[string]string{
		"20%":                           "not two words",
		"0h 120%":                       `0.50, least 2.00": a step keeps 0 to 1000 thousandths, not 1200`,
		"8d 101%, 1h 102%":              "not 1010; a step keeps 0 to 1000 thousandths, not 1020; the last step is for",
		"8d 0%, 8d 5%, 0h 9%":           `"8d" is there twice`,
		"0h 5%, least 2.00, least 1.00": `"least" is there twice`,
		"0h 20% now":                    "not two words",
		"8d 0%":                         "the last step is for the rest",
		"0h 20%, 8d 0%":                 "steps are sorted",
		"8d 10%, 0h 5%":                 "does not fall",
		"0h 100.1%":                     "0 to 1000 thousandths",
		"0h 5":                          "not a part",
		"0h 5.55%":                      "not a part",
		"0h -5%":                        "not a part",
		"0h %":                          "not a part",
		"soon 5%":                       "neither days (8d) nor a duration (48h)",
		"xd 5%":                         "not a number of days",
		"-1h 5%":                        "begins 0 to",
		"99999d 0%, 0h 5%":              "not a number of days",
		"9999d 0%, 0h 5%":               "begins 0 to",
		"0h 5%, round 0":                "rounded to 1 to",
		"0h 5%, round half":             "not an amount",
		"0h 5%, least -1":               "not an amount",
		"0h 5%, least 2.001":            "not an amount",
		"0h 5%, least 99999999":         "the least fee is 0 to",
	} {
		_, err := (&Settings{RefundFees: text}).refundRules()
		require.ErrorContains(t, err, says, "%q", text)
		require.ErrorContains(t, err, "--refund-fees is like", "%q", text)
		_, err = (&Settings{ChangeFees: text}).refundRules()
		require.ErrorContains(t, err, "--change-fees is like", "%q", text)
		require.NotContains(t, err.Error(), "INVALID", "%q", text)
		require.NotContains(t, err.Error(), "more)", "%q", text)
	}
}
