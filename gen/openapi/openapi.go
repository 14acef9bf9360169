// Package openapi holds the OpenAPI 3.1 document of the REST face, made from proto/ by deploy/generate.
package openapi

import _ "embed"

// Document is the document as JSON.
//
//go:embed freshet.json
var Document []byte
