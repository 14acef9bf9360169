package shape

import "net/textproto"

// Forbidden tells whether a target may not set the header, because the client itself governs it. The list is EventBridge's
// (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-api-destinations.html) with the hop-by-hop headers of RFC 9110
// section 7.6.1.
func Forbidden(header string) bool {
	switch textproto.CanonicalMIMEHeaderKey(header) {
	case "A-Im", "Accept-Charset", "Accept-Datetime", "Accept-Encoding", "Cache-Control", "Connection", "Content-Encoding",
		"Content-Length", "Content-Md5", "Date", "Expect", "Forwarded", "From", "Host", "Http2-Settings", "If-Match",
		"If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Keep-Alive", "Max-Forwards", "Origin", "Pragma",
		"Proxy-Authorization", "Proxy-Connection", "Range", "Referer", "Te", "Trailer", "Transfer-Encoding", "User-Agent", "Upgrade",
		"Via", "Warning":
		return true
	}
	return false
}
