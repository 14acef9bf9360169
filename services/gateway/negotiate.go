package gateway

import (
	"mime"
	"strconv"
	"strings"
)

// streamType chooses the media type of a stream by the request's Accept headers (RFC 9110 section 12.5.1). NDJSON is the default, also
// for those who accept neither. Where both are wanted as much, the one that is named more precisely wins, so that
// "text/event-stream, */*" gets events.
func streamType(accept []string) string {
	var lines, events preference
	for field := range strings.SplitSeq(strings.Join(accept, ","), ",") {
		name, params, err := mime.ParseMediaType(strings.TrimSpace(field))
		if err != nil {
			continue
		}
		quality := 1.0
		if text, ok := params["q"]; ok {
			if quality, err = strconv.ParseFloat(text, 64); err != nil {
				continue
			}
		}
		switch name {
		case mimeNDJSON, mimeJSON:
			lines.prefer(quality, 3)
		case mimeEventStream:
			events.prefer(quality, 3)
		case "application/*":
			lines.prefer(quality, 2)
		case "text/*":
			events.prefer(quality, 2)
		case "*/*":
			lines.prefer(quality, 1)
			events.prefer(quality, 1)
		}
	}
	if events.quality > lines.quality || events.quality == lines.quality && events.precision > lines.precision && events.quality > 0 {
		return mimeEventStream
	}
	return mimeNDJSON
}

// preference is how much a media type is wanted, as the most precise range says that matches it.
type preference struct {
	quality   float64
	precision int
}

func (p *preference) prefer(quality float64, precision int) {
	if precision > p.precision || precision == p.precision && quality > p.quality {
		*p = preference{quality: quality, precision: precision}
	}
}
