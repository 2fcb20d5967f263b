"""The 46 inputs of `loans` written without Sternpost: one module per tool, each as a competent user of it would.

None of them checks what the contract checks (bounds, types, missing columns); that is in the peers' favour.
"""
