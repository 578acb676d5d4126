"""`python -m medcrypt_lab VERB` is `medcrypt VERB`."""
import sys

from medcrypt_lab.cli import main

sys.exit(main())
