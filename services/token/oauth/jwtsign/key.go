package jwtsign

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"

	"github.com/go-jose/go-jose/v4"
)

// parse reads a private key from JWK or PEM.
func parse(text string) (jose.JSONWebKey, error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return jose.JSONWebKey{}, errors.New("there is none")
	case text[0] == '{':
		return parseJWK(text)
	}
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return jose.JSONWebKey{}, errors.New("it is neither PEM with a private key nor a JWK")
		}
		if private, key, err := parseBlock(block); private { // else parameters or a certificate beside the key
			return jose.JSONWebKey{Key: key}, err
		}
	}
}

func parseJWK(text string) (jose.JSONWebKey, error) {
	var key jose.JSONWebKey
	if key.UnmarshalJSON([]byte(text)) != nil || !key.Valid() {
		return jose.JSONWebKey{}, errors.New("it is not a valid JWK")
	}
	if key.IsPublic() {
		return jose.JSONWebKey{}, errors.New("the JWK has no private key")
	}
	key.Certificates, key.CertificateThumbprintSHA1, key.CertificateThumbprintSHA256 = nil, nil, nil
	return key, nil
}

// parseBlock reads one PEM block. private tells whether it claims to be a private key.
func parseBlock(block *pem.Block) (private bool, key any, err error) {
	if block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
		return true, nil, errors.New("it is encrypted; want it in the clear, it is sealed before it is stored")
	}
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return false, nil, nil
	}
	if err != nil {
		return true, nil, errors.New("its PEM block " + block.Type + " cannot be read")
	}
	return true, key, nil
}
