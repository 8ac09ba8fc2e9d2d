package gateway

import (
	"context"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// maxPreferences bounds how many members of Accept and of Accept-Encoding are read. Browsers send up to eight.
const maxPreferences = 64

// preference is one member of a list such as that in Accept: a name, and how much the client wants it.
type preference struct {
	// name is in lower case: "application/json", "text/*", "gzip", "*".
	name string
	// parameters are those of the name, without the quality.
	parameters map[string]string
	// quality is from 0, which is a no, to 1.
	quality float64
}

// preferences reads the lists of Accept (RFC 9110, 12.5.1) and Accept-Encoding (12.5.3). It reads maxPreferences
// members, and passes over those that are malformed.
func preferences(fields []string) []preference {
	var list []preference
	left := maxPreferences
	for _, field := range fields {
		for field != "" && left > 0 {
			var member string
			if member, field = cutMember(field); strings.Trim(member, " \t") == "" {
				continue // A list may have empty members (RFC 9110, 5.6.1).
			}
			left--
			if one, ok := preferenceIn(member); ok {
				list = append(list, one)
			}
		}
	}
	return list
}

// cutMember cuts the first member off a list. A comma inside a quoted text is part of its member.
func cutMember(list string) (member, rest string) {
	quoted := false
	for i := 0; i < len(list); i++ {
		switch c := list[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			return list[:i], list[i+1:]
		}
	}
	return list, ""
}

// preferenceIn reads one member. It returns false where the member is malformed.
func preferenceIn(member string) (preference, bool) {
	name, parameters, err := mime.ParseMediaType(member)
	if err != nil || name == "" {
		return preference{}, false
	}
	one := preference{name: name, parameters: parameters, quality: 1}
	if text, ok := parameters["q"]; ok {
		delete(parameters, "q")
		one.quality, err = strconv.ParseFloat(text, 64)
		// A NaN is in no range.
		if err != nil || !(one.quality >= 0 && one.quality <= 1) {
			return preference{}, false
		}
	}
	return one, true
}

// The specificities of media ranges. The most specific range that covers a media type decides its quality.
const (
	coveredByNone = iota
	coveredByAny  // */*
	coveredByKind // text/*
	coveredByName
	coveredByNameAndCharset
)

// covers returns how specifically a media range covers a media type of ours. All of ours are in UTF-8. A range with
// another parameter, such as another charset or a profile, asks for what we do not have.
func (p preference) covers(mediaType string) int {
	kind, _, _ := strings.Cut(mediaType, "/")
	charset, hasCharset := p.parameters["charset"]
	switch {
	case hasCharset && !strings.EqualFold(charset, "utf-8") && !strings.EqualFold(charset, "utf8"),
		len(p.parameters) > 1, len(p.parameters) == 1 && !hasCharset:
		return coveredByNone
	case p.name == mediaType && hasCharset:
		return coveredByNameAndCharset
	case p.name == mediaType:
		return coveredByName
	case p.name == kind+"/*":
		return coveredByKind
	case p.name == "*/*":
		return coveredByAny
	}
	return coveredByNone
}

// qualityOf is the quality of a media type, and how specific the range is that decides it. Of two that are equally
// specific, the one with the higher quality counts.
func qualityOf(list []preference, mediaType string) (quality float64, specificity int) {
	for _, one := range list {
		switch covered := one.covers(mediaType); {
		case covered == coveredByNone || covered < specificity:
		case covered > specificity:
			quality, specificity = one.quality, covered
		default:
			quality = max(quality, one.quality)
		}
	}
	return quality, specificity
}

// acceptance is what a client accepts as an answer.
type acceptance struct {
	// json is the media type of a JSON answer, and "" where the client accepts none.
	json string
	// events says that the client names text/event-stream, or text/*. A client that accepts anything, as curl and fetch
	// do, does not: it reads its answer to the end, and a stream has none.
	events bool
}

type acceptanceKey struct{}

// withAcceptance reads Accept, once for all that ask acceptedBy.
func withAcceptance(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), acceptanceKey{}, acceptanceOf(r.Header)))
}

// acceptedBy is what the client of a request accepts.
func acceptedBy(r *http.Request) acceptance {
	if accepted, read := r.Context().Value(acceptanceKey{}).(acceptance); read {
		return accepted
	}
	return acceptanceOf(r.Header)
}

// acceptanceOf reads Accept. A client that sends none gets application/json, and so does one that accepts anything. Of
// the two kinds of JSON the one with the higher quality is sent. Where both have the same, it is
// application/graphql-response+json if the client names it: GraphQL over HTTP prefers that.
func acceptanceOf(header http.Header) acceptance {
	fields := header.Values("Accept")
	if strings.Trim(strings.Join(fields, ""), ", \t") == "" {
		return acceptance{json: mediaJSON}
	}
	list := preferences(fields)
	var accepted acceptance
	plain, _ := qualityOf(list, mediaJSON)
	graphql, specificity := qualityOf(list, mediaGraphQL)
	switch {
	case graphql > plain || graphql > 0 && graphql == plain && specificity >= coveredByName:
		accepted.json = mediaGraphQL
	case plain > 0:
		accepted.json = mediaJSON
	}
	events, specificity := qualityOf(list, mediaEvents)
	accepted.events = events > 0 && specificity >= coveredByKind
	return accepted
}
