package main

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"interlock/services/rail"
)

// The fees of refunds and changes are settings of one line: steps with commas between them, each with the shortest time
// before the departure that it is for and the part of the price that is kept; then what a fee is rounded to, and what
// it is at least, in the currency's unit. fees12306 are those of 12306: see rail.DefaultRefundRules.
const fees12306 = "8d 0%, 48h 5%, 24h 10%, 0h 20%, round 0.50, least 2.00"

// refundRules reads --refund-fees and --change-fees. Changes go by the fees of refunds where nothing else is said.
func (s *Settings) refundRules() (rules rail.RefundRules, err error) {
	if rules.Refund, err = readFees("refund-fees", cmp.Or(s.RefundFees, fees12306)); err != nil {
		return rules, err
	}
	rules.Change = rules.Refund
	if s.ChangeFees != "" {
		if rules.Change, err = readFees("change-fees", s.ChangeFees); err != nil {
			return rules, err
		}
	}
	return rules, nil
}

// readFees reads one ladder. An error names the setting and what is wrong with it.
func readFees(setting, text string) (ladder rail.FeeLadder, err error) {
	wrong := func(format string, args ...any) (rail.FeeLadder, error) {
		return ladder, fmt.Errorf("--%s is like %q: %s", setting, fees12306, fmt.Sprintf(format, args...))
	}
	ladder.RoundTo = 1
	given := map[string]bool{}
	for _, part := range strings.Split(text, ",") {
		words := strings.Fields(part)
		if len(words) != 2 {
			return wrong("%q is not two words", part)
		}
		if given[words[0]] {
			return wrong("%q is there twice", words[0])
		}
		given[words[0]] = true
		switch words[0] {
		case "round", "least":
			amount, err := rail.ParseMoney(words[1], "CNY") // the currency stands for any with hundredths
			if err != nil {
				return wrong("%q is not an amount with two decimals", words[1])
			}
			if words[0] == "round" {
				ladder.RoundTo = amount.Minor
			} else {
				ladder.Least = amount.Minor
			}
		default:
			step, err := readFeeStep(words[0], words[1])
			if err != nil {
				return wrong("%v", err)
			}
			ladder.Steps = append(ladder.Steps, step)
		}
	}
	rules := rail.RefundRules{Refund: ladder, Change: rail.DefaultRefundRules().Change}
	if err := rules.Check(); err != nil {
		return wrong("%s", mistakes(err))
	}
	return ladder, nil
}

// mistakes are what rules say is wrong with a ladder, without codes: those are for clients.
func mistakes(err error) string {
	var all rail.Errors
	if !errors.As(err, &all) {
		return err.Error()
	}
	var texts []string
	for _, one := range all {
		texts = append(texts, one.Message)
	}
	return strings.Join(texts, "; ")
}

// readFeeStep reads the time before the departure, in days or as a duration, and the part that is kept, in percent with
// at most one decimal.
func readFeeStep(before, part string) (step rail.FeeStep, err error) {
	if days, found := strings.CutSuffix(before, "d"); found {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return step, fmt.Errorf("%q is not a number of days", before)
		}
		step.Before = time.Duration(n) * 24 * time.Hour
	} else if step.Before, err = time.ParseDuration(before); err != nil {
		return step, fmt.Errorf("%q is neither days (8d) nor a duration (48h)", before)
	}
	percent, found := strings.CutSuffix(part, "%")
	whole, tenths, _ := strings.Cut(percent, ".")
	if len(tenths) > 1 {
		found = false
	}
	thousandths, err := strconv.ParseUint(whole+tenths+strings.Repeat("0", 1-min(1, len(tenths))), 10, 16)
	if err != nil || !found || whole == "" {
		return step, fmt.Errorf("%q is not a part such as 5%% or 12.5%%", part)
	}
	step.PerMille = int64(thousandths)
	return step, nil
}
