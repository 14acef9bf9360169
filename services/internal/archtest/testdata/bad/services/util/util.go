package util // want package-doc telling-names
